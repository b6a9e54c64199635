import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { childrenOf, describeProcess, handlesSignal, isAlive, startTime } from './proc.ts'

test('a process is known by its start time until it has ended', async () => {
  const child = spawn('sleep', ['100'])
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  assert.ok(startTime(pid))
  assert.ok(childrenOf(process.pid).includes(pid))
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
