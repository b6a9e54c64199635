import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { applyChanges } from './changes.ts'

const op = background(silentLogger)

test('applyChanges() changes the config as the instructions say', async () => {
  const config = await applyChanges(op, { Env: ['A=1'], Cmd: ['old'] }, [
    'CMD ["sh", "-c", "x"]',
    'ENV A=2 B=$A',
    'EXPOSE 80',
    'WORKDIR /srv',
    'USER 7',
    'LABEL k="v w"',
  ])
  assert.deepEqual(config.Cmd, ['sh', '-c', 'x'])
  assert.deepEqual(config.Env, ['A=2', 'B=1'])
  assert.deepEqual(config.ExposedPorts, { '80/tcp': {} })
  assert.deepEqual([config.WorkingDir, config.User, config.Labels], ['/srv', '7', { k: 'v w' }])
})

test('applyChanges() without lines changes nothing', async () => {
  assert.deepEqual(await applyChanges(op, { Cmd: ['x'] }, []), { Cmd: ['x'] })
})

test('applyChanges() refuses what touches files, in docker’s words', async () => {
  await assert.rejects(applyChanges(op, {}, ['RUN true']), { message: 'RUN is not a valid change command' })
  await assert.rejects(applyChanges(op, {}, ['FROM x']), { message: 'FROM is not a valid change command' })
  await assert.rejects(applyChanges(op, {}, ['NOPE x']), { kind: 'invalid' })
})
