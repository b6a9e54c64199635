import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { run } from './spawn.ts'

const op = background(silentLogger)

test('run() returns output, feeds input and accepts the codes it is told', async () => {
  assert.equal((await run(op, ['cat'], { input: 'hello' })).stdout, 'hello')
  const result = await run(op, ['sh', '-c', 'echo out; echo err >&2; exit 3'], { okCodes: [3] })
  assert.deepEqual(result, { code: 3, stdout: 'out\n', stderr: 'err\n' })
})

test('run() names the command and the last line of stderr when it fails', async () => {
  await assert.rejects(run(op, ['sh', '-c', 'echo one >&2; echo two >&2; exit 1']), {
    kind: 'internal',
    message: '`sh` failed: two',
  })
  await assert.rejects(run(op, ['gantry-no-such-program']), { kind: 'unsupported' })
})

test('run() kills the child when the op is aborted', async () => {
  const started = performance.now()
  const signal = AbortSignal.timeout(50)
  await assert.rejects(run({ ...op, signal }, ['sleep', '20']), { name: 'TimeoutError' })
  assert.ok(performance.now() - started < 5000)
})

test('run() kills what the child started too, when it is told to', async () => {
  const started = performance.now()
  const script = 'sleep 23 & sleep 23'
  for (const command of [script, 'sleep 23 &'])
    await assert.rejects(
      run({ ...op, signal: AbortSignal.timeout(200) }, ['sh', '-c', command], { group: true }),
      { name: 'TimeoutError' },
    )
  assert.ok(performance.now() - started < 5000)
})

test('run() refuses output beyond the limit and input that nobody reads is no failure', async () => {
  await assert.rejects(run(op, ['yes'], { maxOutput: 1000 }), /wrote more than 1000 bytes/)
  assert.equal((await run(op, ['true'], { input: 'x'.repeat(1 << 20) })).code, 0)
})
