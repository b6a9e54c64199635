import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { missing, system } from './harness.ts'

suite('build checks', { skip: missing('gantry') }, () => {
  const s = system('gantry')

  test('--check says what docker says, with its exit codes, and builds nothing', async () => {
    const bad = s.folder({ Dockerfile: 'FROM scratch AS Base\nCOPY f /\nCMD run it\n', f: '' })
    const result = await s.run(['build', '--check', '-t', 'never', bad])
    assert.equal(result.code, 1)
    assert.match(
      result.stdout,
      /^Check complete, 2 warnings have been found!\n\nWARNING: StageNameCasing - https:\/\/docs\.docker\.com\/go\/dockerfile\/rule\/stage-name-casing\/\nStage name 'Base' should be lowercase\n\/.*\/Dockerfile:1\n--------------------\n {3}1 \| >>> FROM scratch AS Base\n {3}2 \| {5}COPY f \/\n {3}3 \| {5}CMD run it\n--------------------\n/,
    )
    assert.notEqual((await s.run(['image', 'inspect', 'never'])).code, 0)
    const good = s.folder({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: '' })
    const fine = await s.run(['build', '--call', 'check', good])
    assert.deepEqual([fine.code, fine.stdout], [0, 'Check complete, no warnings found.\n'])
    const broken = await s.run(['build', '--check', '-'], { input: Buffer.from('FROM scratch AS a\nNOPE\n') })
    assert.equal(broken.code, 1)
    assert.match(
      broken.stderr,
      /^ERROR: dockerfile parse error on line 2: unknown instruction: NOPE\nDockerfile:2\n/,
    )
  })

  test('--call gives docker’s JSON; outline and targets list what a Dockerfile takes', async () => {
    const folder = s.folder({
      Dockerfile:
        '# V of it\nARG V=1\nFROM busybox:$V AS base\n# test tries it\nFROM base AS test\nRUN --mount=type=secret,id=t,required x\nFROM base\nCMD ["a"]\n',
    })
    const targets = (await s.ok('build', '--call', 'targets', folder)).trimEnd()
    assert.equal(targets, 'TARGET    DESCRIPTION\nbase      \ntest      tries it\n(default)')
    const outline = await s.ok('build', '--call', 'outline', '--target', 'test', folder)
    assert.equal(
      outline,
      'TARGET:        test\nDESCRIPTION:   tries it\n\nBUILD ARG   VALUE   DESCRIPTION\nV           1       of it\n\nSECRET   REQUIRED\nt        true\n',
    )
    const json: unknown = JSON.parse(await s.ok('build', '--call', 'check,format=json', folder))
    const { warnings, hints } = json as { warnings: unknown[]; hints: { ruleName: string }[] }
    assert.deepEqual(warnings, [])
    assert.deepEqual(
      hints.map((hint) => hint.ruleName),
      ['RunsAsRoot', 'NoHealthcheck'],
    )
  })

  test('a build lists its warnings at the end; options make them fail before any step', async () => {
    const folder = s.folder({
      Dockerfile: '# check=skip=FromAsCasing\nFROM busybox as base\nRUN echo step-ran\nWORKDIR app\n',
    })
    const warned = await s.run(['build', '--progress=plain', '--no-cache', folder])
    assert.equal(warned.code, 0)
    assert.match(
      warned.stderr,
      /\n 1 warning found \(use gantry --debug to expand\):\n - WorkdirRelativePath: Relative workdir "app" .* \(line 4\)\n$/,
    )
    const failed = await s.run([
      'build',
      '--progress=plain',
      '--no-cache',
      '--check-options',
      'error=true',
      folder,
    ])
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /failed to solve: lint violation found for rules: WorkdirRelativePath\n$/)
    assert.doesNotMatch(failed.stderr, /RUN echo step-ran\n#/)
    writeFileSync(join(folder, '.gantry-checks'), '# ours\nlevel=WorkdirRelativePath:error\n')
    const project = await s.run(['build', '--progress=plain', folder])
    assert.match(project.stderr, /lint violation found for rules: WorkdirRelativePath\n$/)
    const skipped = await s.run(['build', '--build-arg', 'BUILDKIT_DOCKERFILE_CHECK=skip=all', folder])
    assert.equal(skipped.code, 0)
    assert.doesNotMatch(skipped.stderr, /warning/)
  })
})
