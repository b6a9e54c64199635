import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { missing, system, type Result } from '../system/harness.ts'

/** Where docker looks for its plugins, when they are not in the usual places. */
const config = process.env['GANTRY_TEST_DOCKER_CONFIG']
const env = { DOCKER_BUILDKIT: '1', ...(config !== undefined && { DOCKER_CONFIG: config }) }

function missingPlugin(name: string): string | false {
  const found = spawnSync('docker', [name, 'version'], { env: { ...process.env, ...env } })
  return found.status === 0 ? false : `no docker ${name} plugin`
}

const noDocker = missing('docker')
const noBuildx = noDocker || missingPlugin('buildx')
const noCompose = noBuildx || missingPlugin('compose')

suite('docker build and buildx of a stock client', { skip: noBuildx }, () => {
  const s = system('docker')
  const run = (args: readonly string[], cwd?: string): Promise<Result> =>
    s.run(args, { env, timeout: 60_000, ...(cwd !== undefined && { cwd }) })

  function context(name: string, files: Readonly<Record<string, string>>): string {
    const folder = join(s.daemon.home, name)
    mkdirSync(folder, { recursive: true })
    for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text)
    return folder
  }

  async function ok(...args: string[]): Promise<Result> {
    const result = await run(args)
    assert.equal(result.code, 0, `docker ${args.join(' ')}\n${result.stdout}${result.stderr}`)
    return result
  }

  const help = noBuildx
    ? undefined
    : spawnSync('docker', ['buildx', 'build', '--help'], { env: { ...process.env, ...env } })
  const noCalls = help?.stdout.includes('--call') ? false : 'this buildx has no --call'

  test('build --check and --call: findings, exit codes, faults, JSON', { skip: noCalls }, async () => {
    const folder = context('checks', { Dockerfile: 'FROM busybox AS One\nWORKDIR a\nCMD ["b"]\n' })
    const found = await run(['build', '--check', folder])
    assert.equal(found.code, 1)
    assert.match(
      found.stdout,
      /^Check complete, 2 warnings have been found!\n\nWARNING: StageNameCasing - https:.*\nStage name 'One' should be lowercase\n.*\bDockerfile:1\n/,
    )
    const spared = await ok('build', '--check', '--build-arg', 'BUILDKIT_DOCKERFILE_CHECK=skip=all', folder)
    assert.equal(spared.stdout, 'Check complete, no warnings found.\n')
    assert.match((await ok('build', '--call', 'targets', folder)).stdout, /^TARGET .*\none \(default\)/)
    const wrong = await run([
      'build',
      '--check',
      context('wrong', { Dockerfile: 'FROM busybox\nEXPOSE 99999\n' }),
    ])
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, /invalid containerPort: 99999\n.*\bDockerfile:2\n/)
  })

  test('build: image, id file, cache, secrets, build arguments', async () => {
    const folder = context('plain', {
      Dockerfile:
        'FROM busybox\nARG V=1\nCOPY f /f\nRUN --mount=type=secret,id=s cat /f && wc -c < /run/secrets/s && echo v$V\n',
      f: 'content\n',
      s: 'four',
    })
    const flags = ['--progress=plain', '--secret', `id=s,src=${folder}/s`, '--build-arg', 'V=2', '-t', 'bx:1']
    const first = await ok('build', ...flags, '--iidfile', `${folder}/id`, folder)
    assert.match(first.stderr, / content\n.* 4\n.* v2\n/)
    const id = readFileSync(`${folder}/id`, 'utf8')
    assert.equal((await ok('image', 'inspect', '-f', '{{.Id}}', 'bx:1')).stdout.trim(), id)
    const again = await ok('build', ...flags, folder)
    assert.match(again.stderr, /\[3\/3\] RUN .*\n#\d+ CACHED/)
    assert.equal((await ok('build', '-q', '--build-arg', 'V=2', folder)).stdout.trim(), id)
  })

  test('build: a failure shows its lines', async () => {
    const folder = context('bad', { Dockerfile: 'FROM busybox\nRUN true\nRUN exit 3\n' })
    const failed = await run(['build', '--progress=plain', folder])
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /Dockerfile:3\n-+\n.*\n.*\n +3 \| >>> RUN exit 3\n/)
    assert.match(
      failed.stderr,
      /failed to solve: process "\/bin\/sh -c exit 3" did not complete successfully: exit code: 3/,
    )
    const unknown = await run(['build', '--progress=plain', '-f', 'nothere', folder])
    assert.match(unknown.stderr, /lstat .*nothere|open nothere: no such file/)
  })

  test('build: outputs go to the client', async () => {
    const folder = context('out', {
      Dockerfile:
        'FROM busybox AS b\nRUN mkdir -p /d && echo x > /d/x && ln -s x /d/l\nFROM scratch\nCOPY --from=b /d /d\n',
    })
    await ok('buildx', 'build', '-o', `type=local,dest=${folder}/tree`, folder)
    assert.equal(readFileSync(`${folder}/tree/d/l`, 'utf8'), 'x\n')
    await ok('buildx', 'build', '-o', `type=tar,dest=${folder}/tree.tar`, folder)
    assert.ok(readFileSync(`${folder}/tree.tar`).includes('d/x'))
    await ok('buildx', 'build', '-o', `type=oci,dest=${folder}/oci.tar`, folder)
    assert.ok(readFileSync(`${folder}/oci.tar`).includes('oci-layout'))
  })

  test('build: contexts from stdin and by name', async () => {
    const folder = context('named', { Dockerfile: 'FROM base\nCOPY --from=more f /f\nRUN cat /f\n' })
    const more = context('more', { f: 'named context\n' })
    const named = await ok(
      'build',
      '--progress=plain',
      '--build-context=base=docker-image://busybox',
      `--build-context=more=${more}`,
      folder,
    )
    assert.match(named.stderr, / named context\n/)
    const piped = await s.run(['build', '--progress=plain', '-'], {
      env,
      input: 'FROM busybox\nRUN echo piped\n',
    })
    assert.match(piped.stderr, / piped\n/)
    const tar = spawnSync('tar', [
      '-C',
      context('tar', { Dockerfile: 'FROM busybox\nCOPY f /\nRUN cat /f\n', f: 'in a tar\n' }),
      '-c',
      '.',
    ])
    const sent = await s.run(['build', '--progress=plain', '-'], { env, input: tar.stdout })
    assert.match(sent.stderr, / in a tar\n/)
  })

  test('bake builds targets on each other; ls, du and prune answer', async () => {
    const folder = context('bake', {
      'docker-bake.json': JSON.stringify({
        target: {
          default: {
            contexts: { base: 'target:base' },
            'dockerfile-inline': 'FROM base\nRUN cat /base',
            tags: ['baked:1'],
          },
          base: { 'dockerfile-inline': 'FROM busybox\nRUN echo from-base > /base' },
        },
      }),
    })
    const baked = await run(['buildx', 'bake', '--progress=plain', '-f', 'docker-bake.json'], folder)
    assert.equal(baked.code, 0, baked.stderr)
    assert.match(baked.stderr, / from-base\n/)
    await ok('image', 'inspect', 'baked:1')
    assert.match((await ok('buildx', 'ls')).stdout, /running +v[\d.]+\+gantry/)
    assert.match((await ok('buildx', 'du')).stdout, /Total:/)
    assert.match((await ok('builder', 'prune', '-af')).stdout, /Total:/)
  })

  test('compose build', { skip: noCompose }, async () => {
    const folder = context('compose', {
      'compose.yaml': 'services:\n  one:\n    image: composed:1\n    build: {context: ., args: {V: seven}}\n',
      Dockerfile: 'FROM busybox\nARG V\nRUN echo $V > /v\n',
    })
    const built = await run(['compose', '-p', 'gt', 'build'], folder)
    assert.equal(built.code, 0, built.stderr + built.stdout)
    assert.equal((await ok('run', '--rm', 'composed:1', 'cat', '/v')).stdout, 'seven\n')
  })
})
