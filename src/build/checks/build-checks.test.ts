import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { EngineError } from '../../lib/errors.ts'
import type { BuildEvent } from '../../wire/build.ts'
import { Progress } from '../solver/progress.ts'
import { parseWithChecks, withChecks } from './build-checks.ts'

function setting(text: string, project?: string) {
  const root = mkdtempSync(join(tmpdir(), 'checks-'))
  if (project !== undefined) writeFileSync(join(root, '.gantry-checks'), project)
  const events: BuildEvent[] = []
  const checks = {
    progress: new Progress((event) => events.push(event)),
    buildArgs: {},
    options: { request: 'skip=BaseImageTag' },
    findImage: (ref: string): never => {
      throw new EngineError('not-found', `No such image: ${ref}`)
    },
  }
  const run = async (work: Promise<string> = Promise.resolve('done')) => {
    const program = parseWithChecks({ name: 'Dockerfile', text }, checks)
    return withChecks(work, { ...checks, program, root, ignore: [] })
  }
  const warnings = () =>
    events.flatMap((event) => (event.type === 'warning' ? `${event.rule}:${event.startLine}` : []))
  return { run, warnings, [Symbol.dispose]: () => rmSync(root, { recursive: true }) }
}

test('a build is told warnings, no hints, and goes on', async () => {
  using s = setting('FROM x AS Y\nCMD ["a"]\n')
  assert.equal(await s.run(), 'done')
  assert.deepEqual(s.warnings(), ['StageNameCasing:1'])
})

test('warnings come before what fails, too: the text, or the look for base images', async () => {
  using broken = setting('FROM x AS Y\nNOPE\n')
  await assert.rejects(broken.run(), /unknown instruction: NOPE/)
  assert.deepEqual(broken.warnings(), ['StageNameCasing:1'])
  using lost = setting('FROM x AS Y\n')
  await assert.rejects(lost.run(Promise.reject(new Error('no such image'))), /no such image/)
  assert.deepEqual(lost.warnings(), ['StageNameCasing:1'])
})

test('the project’s file counts, and its faults are faults of the build', async () => {
  using strict = setting('FROM x AS Y\n', 'error=true\n')
  await assert.rejects(strict.run(), {
    kind: 'invalid',
    message: 'lint violation found for rules: StageNameCasing',
  })
  using lax = setting('FROM x AS Y\n', '# no names\nskip=StageNameCasing\n')
  await lax.run()
  assert.deepEqual(lax.warnings(), [])
  using wrong = setting('FROM x\n', 'level=Nope:error\n')
  await assert.rejects(wrong.run(), { kind: 'invalid', message: /there is no rule "Nope"/ })
})
