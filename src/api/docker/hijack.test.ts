import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { EngineError } from '../../lib/errors.ts'
import { rawStream, relay, type RelayOptions } from './hijack.ts'
import type { Route } from './route.ts'
import { readAll, readUntil, serveForTest } from './testing.ts'

/** A container's stdio as a client sees it: what it reads, and what it writes when told to. */
class FakeStdio extends Duplex {
  readonly stdin: Buffer[] = []
  readonly stdinEnded = Promise.withResolvers<void>()
  readonly gone = Promise.withResolvers<void>()
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.stdin.push(chunk)
    done()
  }
  override _final(done: () => void): void {
    this.stdinEnded.resolve()
    done()
  }
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.gone.resolve()
    done(error)
  }
}

function routeOf(stdio: FakeStdio, options: RelayOptions, bodies: unknown[] = []): Route {
  return {
    method: 'POST',
    path: '/exec',
    hijack: async (call) => {
      bodies.push(await call.body())
      await relay(call.op, call.accept(rawStream), stdio, options)
    },
  }
}

const upgrade = (body: string, extra = '') =>
  `POST /v1.51/exec HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: ${body.length}\r\n${extra}\r\n${body}`

test('an upgrade answers 101 and hands body and surplus over, however they are cut', async () => {
  for (const cut of [0, 5, 120, 145, 160, 1000]) {
    const stdio = new FakeStdio()
    const bodies: unknown[] = []
    await using api = await serveForTest([routeOf(stdio, { inputEnd: 'close-stdin' }, bodies)])
    const socket = api.connect()
    const text = `${upgrade('{"Tty":false}')}typed ahead`
    socket.write(text.slice(0, cut))
    await new Promise(setImmediate)
    socket.end(text.slice(cut))
    await stdio.stdinEnded.promise
    stdio.push('the answer')
    stdio.push(null)
    const answer = (await readAll(socket)).toString()
    assert.match(answer, /^HTTP\/1.1 101 UPGRADED\r\n/)
    assert.match(answer, /\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n/)
    assert.match(answer, /\r\nContent-Type: application\/vnd.docker.raw-stream\r\n/)
    assert.ok(answer.endsWith('\r\n\r\nthe answer'), answer)
    assert.equal(Buffer.concat(stdio.stdin).toString(), 'typed ahead')
    assert.deepEqual(bodies, [{ Tty: false }])
  }
})

test('the client’s end closes stdin and output goes on to its own end', async () => {
  const stdio = new FakeStdio()
  await using api = await serveForTest([routeOf(stdio, { inputEnd: 'close-stdin' })])
  const socket = api.connect()
  socket.write(upgrade('{}'))
  await readUntil(socket, '\r\n\r\n')
  socket.end('last words')
  await stdio.stdinEnded.promise
  const megabyte = Buffer.alloc(1 << 20, 'x')
  stdio.push(megabyte)
  stdio.push(null)
  assert.equal((await readAll(socket)).length, megabyte.length)
  assert.equal(Buffer.concat(stdio.stdin).toString(), 'last words')
})

test('the container’s end is seen while the client still holds its half', async () => {
  const stdio = new FakeStdio()
  await using api = await serveForTest([routeOf(stdio, { inputEnd: 'close-stdin' })])
  const socket = api.connect()
  socket.write(upgrade('{}'))
  stdio.push('bye')
  stdio.push(null)
  const answer = (await readAll(socket)).toString()
  assert.ok(answer.endsWith('bye'))
  await stdio.gone.promise
  socket.destroy()
})

test('without an upgrade the body is stdin and the answer runs until close', async () => {
  const stdio = new FakeStdio()
  const route: Route = {
    method: 'POST',
    path: '/exec',
    hijack: (call) => relay(call.op, call.accept(rawStream), stdio, { inputEnd: 'close-stdin' }),
  }
  await using api = await serveForTest([route])
  const socket = api.connect()
  socket.write('POST /exec HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  await readUntil(socket, '\r\n\r\n')
  socket.write('0\r\n\r\n')
  await stdio.stdinEnded.promise
  stdio.push('raw output')
  stdio.push(null)
  assert.equal((await readAll(socket)).toString(), 'raw output')
  assert.equal(Buffer.concat(stdio.stdin).toString(), 'hello')
})

test('without an upgrade stdin may follow the JSON in one body', async () => {
  const stdio = new FakeStdio()
  const bodies: unknown[] = []
  await using api = await serveForTest([routeOf(stdio, { inputEnd: 'close-stdin' }, bodies)])
  const socket = api.connect()
  socket.write(
    'POST /exec HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{"a":"\r\n7\r\n}\\""}in\r\n',
  )
  await readUntil(socket, '\r\n\r\n')
  socket.write('3\r\nput\r\n0\r\n\r\n')
  await stdio.stdinEnded.promise
  stdio.push(null)
  await readAll(socket)
  assert.deepEqual(bodies, [{ a: '}"' }])
  assert.equal(Buffer.concat(stdio.stdin).toString(), 'input')
})

test('without stdin the client’s end means nothing', async () => {
  const stdio = new FakeStdio()
  await using api = await serveForTest([routeOf(stdio, { inputEnd: 'ignore' })])
  const socket = api.connect()
  socket.end(upgrade('{}'))
  await readUntil(socket, '\r\n\r\n')
  stdio.push('still here')
  stdio.push(null)
  assert.equal((await readAll(socket)).toString(), 'still here')
  assert.equal(stdio.writableFinished, false)
})

test('the detach keys end a terminal session and are not typed', async () => {
  const stdio = new FakeStdio()
  const options: RelayOptions = { inputEnd: 'detach', detachKeys: Buffer.from([16, 17]) }
  await using api = await serveForTest([routeOf(stdio, options)])
  const socket = api.connect()
  socket.write(upgrade('{}'))
  await readUntil(socket, '\r\n\r\n')
  socket.write('ab\x10c\x10')
  socket.write('\x11never')
  await readAll(socket)
  await stdio.gone.promise
  assert.equal(Buffer.concat(stdio.stdin).toString(), 'ab\x10c')
  assert.equal(stdio.writableFinished, false)
})

test('a failure before the stream is an ordinary answer', async () => {
  const route: Route = {
    method: 'POST',
    path: '/exec',
    hijack: () => Promise.reject(new EngineError('conflict', 'container x is not running')),
  }
  await using api = await serveForTest([route])
  const answer = await api.raw(upgrade('{}'))
  assert.match(answer, /^HTTP\/1.1 409 Conflict\r\n/)
  assert.ok(answer.endsWith('{"message":"container x is not running"}\n'))
})

test('a client that vanishes frees the container’s end', async () => {
  const stdio = new FakeStdio()
  await using api = await serveForTest([routeOf(stdio, { inputEnd: 'close-stdin' })])
  const socket = api.connect()
  socket.write(upgrade('{}'))
  await readUntil(socket, '\r\n\r\n')
  socket.destroy()
  const writing = setInterval(() => stdio.push(Buffer.alloc(65_536)), 1)
  await stdio.gone.promise
  clearInterval(writing)
})
