import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { openAgent } from './agent.ts'

test('each connection to the socket is one to the agent, until the step ends', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gagent-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  let connections = 0
  const ssh = {
    has: () => true,
    connect: (_op: unknown, id: string) => {
      if (++connections > 2) return Promise.reject(new Error('no more'))
      const [near, far] = duplexPair()
      far.on('data', (data: Buffer) => far.end(`${id}: ${data.toString()}`))
      return Promise.resolve(near)
    },
  }
  const ask = async (question: string) => {
    const socket = net.connect(path)
    socket.write(question)
    return await text(socket)
  }
  const undo = new AsyncDisposableStack()
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  const o = { dir, name: 'a', ssh, id: 'default', undo, uid, gid, mode: 0o640 }
  const path = await openAgent(background(silentLogger), o)
  assert.equal(statSync(path).mode & 0o777, 0o640)
  assert.deepEqual(await Promise.all([ask('one'), ask('two')]), ['default: one', 'default: two'])
  assert.equal(await ask('three').catch(() => ''), '')
  const held = net.connect(path).on('error', () => {})
  const closed = new Promise((resolve) => held.once('close', resolve))
  await new Promise((resolve) => held.once('connect', resolve))
  await undo.disposeAsync()
  await closed
  assert.ok(!existsSync(path))
})
