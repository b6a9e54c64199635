import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHost } from './host.ts'
import { sshArguments } from './ssh-socket.ts'

test('ssh hosts become arguments of the system’s ssh', () => {
  const host = parseHost('ssh://me@build.example:2222/run/gantry/gantry.sock')
  assert.ok(host.kind === 'ssh')
  const args = sshArguments(host)
  assert.equal(args.slice(0, 9).join(' '), '-o ConnectTimeout=30 -T -l me -p 2222 -- build.example')
  assert.match(args[9] ?? '', /exec gantry --host unix:\/\/\/run\/gantry\/gantry\.sock system dial-stdio/)
  const plain = parseHost('ssh://build.example')
  assert.deepEqual(plain.kind === 'ssh' && sshArguments(plain).slice(3, 5), ['--', 'build.example'])
})

test('what a shell or ssh would take for something else is no host', () => {
  for (const text of ['ssh://', 'ssh://-oProxyCommand=x', 'ssh://a/$(b)', 'ssh://a b', 'ssh://me:secret@a'])
    assert.throws(() => parseHost(text), { kind: 'invalid' }, text)
})
