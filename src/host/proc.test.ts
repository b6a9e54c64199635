import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { describeProcess, handlesSignal, isAlive, startTime } from './proc.ts'

test('a process is known by its start time until it has ended', async () => {
  const child = spawn('sleep', ['100'])
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  assert.ok(startTime(pid))
  assert.equal(describeProcess(pid)?.user, describeProcess(process.pid)?.user)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isAlive(pid), false)
  assert.equal(describeProcess(pid), undefined)
})

test('handlesSignal() tells a process with a handler from one without', async () => {
  const deaf = spawn('sleep', ['100'])
  const hears = spawn('sh', ['-c', 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done'])
  await once(hears.stdout, 'data')
  assert.equal(handlesSignal(deaf.pid ?? 0, 15), false)
  assert.equal(handlesSignal(deaf.pid ?? 0, 9), true)
  assert.equal(handlesSignal(hears.pid ?? 0, 15), true)
  deaf.kill('SIGKILL')
  hears.kill('SIGTERM')
  await Promise.all([once(deaf, 'exit'), once(hears, 'exit')])
})

const noTini = spawnSync('tini', ['--version']).error ? 'no tini' : false

test('handlesSignal() knows what a process waits for', { skip: noTini }, async () => {
  const init = spawn('tini', ['-s', '--', 'sh', '-c', 'echo ready; exec sleep 100'])
  await once(init.stdout, 'data')
  // It goes to sleep right after it started its child; every look before and after finds the signal blocked, or waited for.
  for (let look = 0; look < 50; look++) {
    assert.equal(handlesSignal(init.pid ?? 0, 15), true)
    await new Promise((resolve) => setImmediate(resolve))
  }
  init.kill('SIGTERM')
  await once(init, 'exit')
})
