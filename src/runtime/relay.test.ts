import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pipe } from '../host/pipe.ts'
import { closeFd, setNonBlocking } from '../host/socket.ts'
import { silentLogger } from '../lib/log.ts'
import { FrameDecoder } from '../wire/frame.ts'
import { Relay } from './relay.ts'

const relay = new Relay(silentLogger)
after(() => relay.close())

/** A shell with its stdio on the relay. */
function shell(
  script: string,
  o: { framed: boolean; relay?: Relay; whenLoud?: () => void } = { framed: true },
) {
  const [input, output, errors] = [pipe(), pipe(), pipe()]
  for (const fd of [input.write, output.read, errors.read]) setNonBlocking(fd)
  const child = spawn('sh', ['-c', script], { stdio: [input.read, output.write, errors.write] })
  for (const fd of [input.read, output.write, errors.write]) closeFd(fd)
  const session = (o.relay ?? relay).open({
    sources: [
      { fd: output.read, stream: 1, kind: 'bytes' },
      { fd: errors.read, stream: 2, kind: 'bytes' },
    ],
    stdin: { fd: input.write, kind: 'bytes' },
    framed: o.framed,
    stdout: true,
    stderr: true,
    whenClientGone: 'drain',
    ...(o.whenLoud && { whenLoud: o.whenLoud }),
  })
  return { child, ...session }
}

async function textOf(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  stream.destroy()
  return Buffer.concat(chunks).toString()
}

test('output is framed by stream, and the end of input reaches the process before any output is lost', async () => {
  const { stream } = shell('cat; echo problem >&2')
  stream.end('hello\n')
  const seen: Record<number, string> = { 1: '', 2: '' }
  const decoder = new FrameDecoder((id, data) => (seen[id] += data.toString()))
  for await (const chunk of stream) decoder.push(chunk as Buffer)
  assert.deepEqual(seen, { 1: 'hello\n', 2: 'problem\n' })
})

test('large output and input pass byte for byte', async () => {
  const size = 64 << 20
  const { stream } = shell(`head -c ${size} /dev/zero`)
  let received = 0
  const decoder = new FrameDecoder((_id, data) => (received += data.length))
  for await (const chunk of stream) decoder.push(chunk as Buffer)
  stream.destroy()
  assert.equal(received, size)

  const sum = shell('sha256sum', { framed: false })
  const hash = createHash('sha256')
  const result = textOf(sum.stream)
  for (let i = 0; i < 64; i++) {
    const chunk = Buffer.alloc(1 << 20, i)
    hash.update(chunk)
    if (!sum.stream.write(chunk)) await once(sum.stream, 'drain')
  }
  sum.stream.end()
  assert.ok((await result).startsWith(hash.digest('hex')))
})

/** A client's connection: what is written to the first socket is read from the second. */
async function connection() {
  const path = join(mkdtempSync(join(tmpdir(), 'gantry-relay-')), 's')
  const server = createServer({ allowHalfOpen: true }).listen(path)
  await once(server, 'listening')
  const client = connect(path)
  const [near] = (await once(server, 'connection')) as [Socket]
  server.close()
  rmSync(dirname(path), { recursive: true })
  return { near, client }
}

/** Numbers of 4 bytes: a byte that is lost, doubled or misplaced is seen. */
const expected = Array.from({ length: 900 }, (_, i) => `${i + 100}\n`).join('')
const numbers = (count: number) => `seq -f %03.0f 100 999 | yes "$(cat)" | head -c ${count * 4}`

for (const framed of [true, false])
  test(`a loud session is written to the client's connection itself, framed: ${framed}`, async () => {
    let loud = 0
    const size = 40 << 20
    const session = shell(numbers(size / 4), { framed, whenLoud: () => loud++ })
    const { near, client } = await connection()
    session.stream.pour(near)
    let seen = ''
    let received = 0
    const take = (data: Buffer) => {
      for (let at = 0; at < data.length; at += 4096) {
        const text = seen + data.toString('latin1', at, Math.min(at + 4096, data.length))
        const whole = text.length - (text.length % 3600)
        for (let i = 0; i < whole; i += 3600) assert.equal(text.slice(i, i + 3600), expected)
        seen = text.slice(whole)
      }
      received += data.length
    }
    const decoder = new FrameDecoder((_id, data) => take(data))
    let passedHere = 0
    session.stream.once('end', () => (passedHere = session.stream.bytesRead))
    client.on('data', (chunk: Buffer) => (framed ? decoder.push(chunk) : take(chunk)))
    await once(session.stream, 'end')
    near.end()
    await once(client, 'end')
    assert.equal(received, size)
    assert.equal(loud, 1)
    assert.ok(passedHere < 8 << 20, `${passedHere} bytes passed here`)
    session.stream.destroy()
    client.destroy()
  })

test('a client who stands still makes a loud process wait; one who leaves does not', async () => {
  const { stream, child } = shell('head -c 30000000 /dev/zero; exit 5', { framed: false })
  const { near, client } = await connection()
  stream.pour(near)
  let received = 0
  await new Promise<void>((resolve) => {
    client.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received < 10_000_000) return
      client.removeAllListeners('data').pause()
      resolve()
    })
  })
  await delay(100)
  assert.equal(child.exitCode, null)
  // The connection may break rather than end: what was sent has not been read.
  near.on('error', () => {})
  const closed = new Promise((resolve) => near.resume().once('close', resolve))
  client.destroy()
  await closed
  stream.destroy()
  assert.deepEqual(await once(child, 'exit'), [5, null])
})

test('a reader who stands still makes the process wait', async () => {
  const { stream, child } = shell('head -c 4000000 /dev/zero; echo done >&2')
  await once(stream, 'readable')
  await delay(100)
  assert.equal(child.exitCode, null)
  let received = 0
  stream.on('data', (chunk: Buffer) => (received += chunk.length))
  await once(stream, 'end')
  assert.ok(received > 4_000_000)
})

test('a process goes on when its reader leaves', async () => {
  const { stream, child } = shell('head -c 3000000 /dev/zero; exit 5', { framed: false })
  await once(stream, 'data')
  stream.destroy()
  assert.deepEqual(await once(child, 'exit'), [5, null])
})

test('a flood that nobody reads does not keep other sessions waiting', async () => {
  const flood = shell('exec cat /dev/zero', { framed: false })
  await once(flood.stream, 'data')
  flood.stream.destroy()
  const { stream } = shell('cat', { framed: false })
  stream.end('through')
  assert.equal(await textOf(stream), 'through')
  flood.child.kill('SIGKILL')
  await once(flood.child, 'exit')
})

test('a process that does not read its input costs nothing but the input', async () => {
  const { stream } = shell('exec <&-; sleep 0.1; echo over', { framed: false })
  stream.write(Buffer.alloc(1 << 20))
  assert.equal(await textOf(stream), 'over\n')
})

test('finish() ends a session whose pipes somebody else still holds', async () => {
  const { stream, finish, child } = shell('sleep 3 & echo started', { framed: false })
  child.once('exit', finish)
  const started = performance.now()
  assert.equal(await textOf(stream), 'started\n')
  assert.ok(performance.now() - started < 2500)
})

test('200 sessions leave no descriptor behind', async () => {
  const open = () => readdirSync('/proc/self/fd').length
  const before = open()
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const { stream } = shell('cat', { framed: false })
        stream.end(`x${i}`)
        assert.equal(await textOf(stream), `x${i}`)
      }),
    )
  }
  for (let attempt = 0; open() > before && attempt < 100; attempt++) await delay(20)
  assert.ok(open() <= before, `${open()} descriptors, ${before} before`)
})

test('close() lets go of what is still open, on both sides', async () => {
  const other = new Relay(silentLogger)
  const { stream, child } = shell('cat', { framed: false, relay: other })
  const closed = new Promise((resolve) => stream.resume().once('close', resolve))
  const exit = once(child, 'exit')
  stream.write('here')
  await other.close()
  await closed
  assert.deepEqual(await exit, [0, null])
})
