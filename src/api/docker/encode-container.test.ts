import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeState, portSummaries, statusText } from './encode-container.ts'

const now = Date.parse('2026-01-01T12:00:00Z')
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString()
const running = (seconds: number) => ({ pid: 7, pidStartTime: 1, startedAt: ago(seconds) })

test('statusText() says what docker ps says', () => {
  const ended = {
    status: 'exited',
    exitCode: 0,
    oomKilled: false,
    startedAt: ago(60),
    finishedAt: ago(3),
  } as const
  assert.equal(statusText({ status: 'running', ...running(300) }, { now }), 'Up 5 minutes')
  assert.equal(statusText({ status: 'running', ...running(0.2) }, { now }), 'Up Less than a second')
  const health = { status: 'starting', failingStreak: 0, log: [] } as const
  const up = { status: 'running', ...running(300) } as const
  assert.equal(statusText(up, { now, health }), 'Up 5 minutes (health: starting)')
  assert.equal(statusText(up, { now, health: { ...health, status: 'healthy' } }), 'Up 5 minutes (healthy)')
  assert.equal(statusText({ status: 'paused', ...running(3600) }, { now }), 'Up About an hour (Paused)')
  assert.equal(statusText(ended, { now }), 'Exited (0) 3 seconds ago')
  assert.equal(statusText({ status: 'created' }, { now }), 'Created')
  assert.equal(statusText({ status: 'removing' }, { now }), 'Removal In Progress')
})

test('encodeState() computes docker’s flags from the one state', () => {
  const paused = encodeState({ status: 'paused', ...running(1) })
  assert.deepEqual([paused.Running, paused.Paused, paused.Pid], [true, true, 7])
  const failed = encodeState({ status: 'created', exitCode: 127, error: 'not found' })
  assert.deepEqual([failed.Running, failed.ExitCode, failed.Error], [false, 127, 'not found'])
  assert.equal(failed.StartedAt, '0001-01-01T00:00:00Z')
})

test('portSummaries() lists published and exposed ports', () => {
  assert.deepEqual(portSummaries({ '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '53/udp': null }), [
    { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { PrivatePort: 53, Type: 'udp' },
  ])
})
