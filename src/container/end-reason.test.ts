import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endReason, type EndFacts } from './end-reason.ts'

const facts: EndFacts = {
  exitCode: 0,
  request: undefined,
  oom: undefined,
  memoryLimit: 0,
  fault: undefined,
  unseen: false,
}
const reason = (change: Partial<EndFacts>) => {
  const { Kind, Text } = endReason({ ...facts, ...change })
  return `${Kind}: ${Text}`
}

test('endReason() tells its own end from one that was asked for', () => {
  assert.match(reason({}), /^exit: .* code 0: its command was done/)
  assert.match(reason({ exitCode: 3 }), /^exit: .* code 3; see its log/)
  assert.match(reason({ exitCode: 127 }), /^exit: .*shell.*does not find a command/)
  assert.match(reason({ exitCode: 139 }), /^signal: ended by SIGSEGV \(.*memory.*\)/)
  assert.match(reason({ exitCode: 137 }), /^signal: killed by SIGKILL, which was not sent through Gantry/)
  assert.match(reason({ exitCode: 255, unseen: true }), /^unseen: /)
  const user = { by: 'user', signal: 15 } as const
  assert.equal(reason({ exitCode: 143, request: user }), 'stopped: the user sent SIGTERM')
  assert.equal(reason({ request: user }), 'stopped: the user sent SIGTERM, and it ended with code 0')
  assert.equal(reason({ exitCode: 137, request: { by: 'user', signal: 9 } }), 'killed: the user sent SIGKILL')
  assert.match(
    reason({ exitCode: 137, request: { ...user, forced: { because: 'timeout', grace: 10 } } }),
    /^stop-timeout: the user sent SIGTERM, .*still ran 10 s later/,
  )
  assert.match(
    reason({ exitCode: 137, request: { ...user, forced: { because: 'deaf' } } }),
    /^deaf: killed at once: .*no handler for SIGTERM/,
  )
  assert.match(reason({ request: { by: 'shutdown', signal: 15 } }), /^stopped: the daemon was shut down/)
})

test('endReason() tells the container’s memory limit from the host’s end of memory', () => {
  const victim = { pid: 7, name: 'tail', held: 20 << 20 }
  const oom = (limitOf: string | undefined) => ({
    exitCode: 137,
    memoryLimit: 20 << 20,
    oom: { victims: [{ ...victim, limitOf }], cgroup: '/g/1' },
  })
  assert.match(
    reason(oom('/g/1')),
    /^memory-limit: .*killed tail \(pid 7\), which held 20MiB, at the container's limit of 20MiB\./,
  )
  assert.match(reason(oom('/g')), /^memory-limit: .*limit of the cgroup \/g,/)
  assert.match(reason(oom(undefined)), /^host-memory: .*chose tail/)
  const unknown = { victims: [], cgroup: '/g/1' }
  assert.match(reason({ exitCode: 1, memoryLimit: 1 << 20, oom: unknown }), /^memory-limit: .*code 1 then/)
  assert.match(reason({ exitCode: 137, oom: unknown }), /^host-memory: /)
  // What only lost a child goes by its own end.
  assert.match(reason({ exitCode: 0, oom: unknown }), /^exit: /)
})
