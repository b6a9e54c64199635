import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openAgents } from './ssh.ts'

const missing = ['ssh-agent', 'ssh-add', 'ssh-keygen'].find(
  (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
)

test(
  'keys get an agent that has them alone, and ends with the build',
  { skip: missing && `no ${missing}` },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'gssh-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const key = join(dir, 'key')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'a-comment', '-f', key])
    let socket
    {
      using agents = await openAgents([`default=${key}`], {})
      socket = agents.sockets['default']?.path ?? ''
      const env = { ...process.env, SSH_AUTH_SOCK: socket }
      assert.match(
        execFileSync('ssh-add', ['-l'], { env, encoding: 'utf8' }),
        /^256 SHA256:\S+ a-comment \(ED25519\)\n$/,
      )
    }
    assert.equal(statSync(socket, { throwIfNoEntry: false }), undefined)
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'passphrase', '-f', join(dir, 'locked')])
    await assert.rejects(
      openAgents([`default=${join(dir, 'locked')}`], {}),
      /^EngineError: failed to parse .*locked: /,
    )
    writeFileSync(join(dir, 'none'), 'no key')
    await assert.rejects(openAgents([`default=${join(dir, 'none')}`], {}), /failed to parse .*none: /)
  },
)

test('what cannot be an agent is refused by name', async () => {
  await assert.rejects(openAgents(['default'], {}), /make sure SSH_AUTH_SOCK is set/)
  await assert.rejects(
    openAgents(['default=/nowhere'], {}),
    /failed to stat \/nowhere: no such file or directory/,
  )
  await assert.rejects(openAgents(['=x'], {}), /it has no id/)
  await assert.rejects(openAgents(['default=/dev/null'], {}), /neither a key nor the socket of an agent/)
})
