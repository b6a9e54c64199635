import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { digestOf } from '../../distribution/index.ts'
import { types } from './testing.ts'

const root = mkdtempSync(join(tmpdir(), 'gantry-kill-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface Process extends AsyncDisposable {
  readonly url: string
  kill(): Promise<void>
}

async function start(directory: string): Promise<Process> {
  const child: ChildProcess = spawn(
    process.execPath,
    [join(import.meta.dirname, 'kill-server.ts'), directory],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer]
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  return { url: line.toString().trim(), kill, [Symbol.asyncDispose]: kill }
}

/** What the server has acknowledged. */
interface Acknowledged {
  readonly blobs: Map<string, Buffer>
  readonly manifests: Map<string, string>
  /** Tag to the digest of its last acknowledged push. Each tag has one writer. */
  readonly tags: Map<string, string>
  /** Tag to what was being pushed when a server was killed, since its last acknowledged push. */
  readonly pending: Map<string, string[]>
}

const path = '/v2/killed/app'

async function pushBlob(url: string, data: Buffer<ArrayBuffer>, known: Acknowledged) {
  const digest = digestOf(data)
  const begun = await fetch(`${url}${path}/blobs/uploads/`, { method: 'POST' })
  const location = begun.headers.get('location') ?? ''
  const half = data.length >> 1
  await fetch(url + location, { method: 'PATCH', body: data.subarray(0, half) })
  const put = await fetch(`${url}${location}?digest=${digest}`, { method: 'PUT', body: data.subarray(half) })
  assert.equal(put.status, 201)
  known.blobs.set(digest, data)
  return { mediaType: types.layer, digest, size: data.length }
}

/** Pushes until the server is gone. */
async function pushOn(url: string, tag: string, known: Acknowledged): Promise<void> {
  for (;;) {
    try {
      const config = await pushBlob(url, Buffer.from('{}'), known)
      const layer = await pushBlob(url, randomBytes(randomInt(1, 200_000)), known)
      const body = JSON.stringify({ schemaVersion: 2, config, layers: [layer] })
      known.pending.set(tag, [...(known.pending.get(tag) ?? []), digestOf(body)])
      const put = await fetch(`${url}${path}/manifests/${tag}`, {
        method: 'PUT',
        body,
        headers: { 'Content-Type': types.manifest },
      })
      assert.equal(put.status, 201)
      known.manifests.set(digestOf(body), body)
      known.tags.set(tag, digestOf(body))
      known.pending.delete(tag)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      // The connection is gone, and the server with it.
      return
    }
  }
}

async function check(url: string, known: Acknowledged): Promise<void> {
  for (const [digest, data] of known.blobs) {
    const response = await fetch(`${url}${path}/blobs/${digest}`)
    assert.equal(response.status, 200, `blob ${digest}`)
    assert(data.equals(await response.bytes()), `blob ${digest}`)
  }
  for (const [digest, body] of known.manifests) {
    const response = await fetch(`${url}${path}/manifests/${digest}`)
    assert.equal(await response.text(), body)
  }
  for (const [tag, digest] of known.tags) {
    const response = await fetch(`${url}${path}/manifests/${tag}`)
    assert.equal(response.status, 200, tag)
    const found = response.headers.get('docker-content-digest') ?? ''
    assert([digest, ...(known.pending.get(tag) ?? [])].includes(found), `${tag} is ${found}, not ${digest}`)
    assert.equal(digestOf(await response.text()), found)
  }
}

test('kill -9 at any point loses nothing that was acknowledged', { timeout: 60_000 }, async (t) => {
  const known: Acknowledged = { blobs: new Map(), manifests: new Map(), tags: new Map(), pending: new Map() }
  for (let round = 0; round < 4; round++) {
    await using server = await start(root)
    if (round > 0) await check(server.url, known)
    const clients = Array.from({ length: 6 }, (_, n) => pushOn(server.url, `tag${n}`, known))
    const before = known.manifests.size
    do await new Promise((resolve) => setTimeout(resolve, randomInt(1, 300)))
    while (known.manifests.size === before)
    await server.kill()
    await Promise.all(clients)
  }
  await using server = await start(root)
  await check(server.url, known)
  t.diagnostic(`${known.manifests.size} manifests, ${known.blobs.size} blobs`)
  assert.deepEqual(readdirSync(join(root, 'temporary')), [])
})

test('an upload that was under way goes on after a kill', { timeout: 60_000 }, async () => {
  const directory = join(root, 'upload')
  const data = randomBytes(500_000)
  const first = await start(directory)
  const begun = await fetch(`${first.url}${path}/blobs/uploads/`, { method: 'POST' })
  const location = begun.headers.get('location') ?? ''
  const patch = await fetch(first.url + location, { method: 'PATCH', body: data.subarray(0, 300_000) })
  assert.equal(patch.status, 202)
  await first.kill()
  await using second = await start(directory)
  const status = await fetch(second.url + location)
  assert.deepEqual([status.status, status.headers.get('range')], [204, '0-299999'])
  const put = await fetch(`${second.url}${location}?digest=${digestOf(data)}`, {
    method: 'PUT',
    body: data.subarray(300_000),
    headers: { 'Content-Range': '300000-499999' },
  })
  assert.equal(put.status, 201)
})
