import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { HttpPool, StaleConnectionError, type HttpRequest, type HttpResponse } from './http.ts'

const get: HttpRequest = { method: 'GET', target: '/x', headers: { Host: 'h' } }

/** A server in bytes: `play` gets each connection; what it received is collected. */
async function serve(
  t: TestContext,
  play: (socket: Socket, request: string, count: number) => void,
  { early = false } = {},
) {
  let connections = 0
  const server = createServer((socket) => {
    const count = ++connections
    let seen = ''
    socket.on('error', () => {})
    socket.on('data', (data) => {
      seen += String(data)
      const end = seen.includes('chunked') ? '\r\n0\r\n\r\n' : '\r\n\r\n'
      if (early ? !seen.includes('\r\n\r\n') : !seen.endsWith(end) && !seen.endsWith('END')) return
      const request = seen
      seen = ''
      play(socket, request, count)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const pool = new HttpPool(() => connect(port, '127.0.0.1'))
  t.after(() => {
    pool.close()
    server.close()
  })
  return { pool, connections: () => connections }
}

async function ask(pool: HttpPool, request: HttpRequest = get): Promise<HttpResponse> {
  const answer = await pool.request(request)
  assert('body' in answer)
  return answer
}

/** Byte by byte, so that every cut is tried. */
async function drip(socket: Socket, bytes: string): Promise<void> {
  for (const byte of Buffer.from(bytes)) {
    socket.write(Buffer.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('heads and bodies may be cut anywhere, and the connection is used again', async (t) => {
  const answers = [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
  ]
  const { pool, connections } = await serve(t, (socket) => void drip(socket, answers.shift() ?? ''))
  const first = await ask(pool)
  assert.equal(first.headers.get('x-a'), '1, 2')
  assert.equal(await text(first.body), 'hello')
  assert.equal(await text((await ask(pool)).body), 'abc0123456789')
  assert.equal((await ask(pool)).status, 204)
  assert.equal((await ask(pool)).statusText, 'Not Found')
  assert.equal(connections(), 1)
})

test('requests carry bodies of known length, or chunked', async (t) => {
  const seen: string[] = []
  const { pool } = await serve(t, (socket, request) => {
    seen.push(request)
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  })
  const post = { ...get, method: 'POST' }
  await ask(pool, { ...post, body: '{"a":"é"}END' })
  await ask(pool, { ...post, stream: Readable.from(['ab', '', 'c'.repeat(17)]) })
  await ask(pool, { ...post, headers: { Bad: 'a\r\nInjected: b' } })
  assert.match(seen[0] ?? '', /^POST \/x HTTP\/1\.1\r\nHost: h\r\nContent-Length: 13\r\n\r\n\{"a":"é"\}END$/)
  assert.match(seen[1] ?? '', /Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n11\r\nc{17}\r\n0\r\n\r\n$/)
  assert.match(seen[2] ?? '', /Bad: a {2}Injected: b\r\nContent-Length: 0\r\n\r\n$/)
})

test('an answer before the end of the request counts, and its connection is not used again', async (t) => {
  const refuse = (socket: Socket) =>
    void socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno')
  const { pool, connections } = await serve(t, refuse, { early: true })
  const endless = new Readable({ read() {} })
  endless.push('some')
  assert.equal(await text((await ask(pool, { ...get, method: 'POST', stream: endless })).body), 'no')
  assert.equal((await ask(pool)).status, 400)
  assert.equal(connections(), 2)
  assert.equal(endless.destroyed, true)
})

test('what is not HTTP is refused, and what is cut off is an error', async (t) => {
  for (const [bytes, message] of [
    ['SSH-2.0-OpenSSH\r\n\r\n', /this is no HTTP/],
    ['HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n', /this is no HTTP/],
    ['', /without an answer/],
    ['HTTP/1.1 200 O', /without an answer/],
  ] as const) {
    const { pool } = await serve(t, (socket) => socket.end(bytes))
    await assert.rejects(pool.request(get), message)
  }
  for (const bytes of [
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf',
  ]) {
    const { pool } = await serve(t, (socket) => socket.end(bytes))
    await assert.rejects(text((await ask(pool)).body), { code: 'ECONNRESET' })
  }
  const { pool } = await serve(t, (socket) =>
    socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
  )
  await assert.rejects(text((await ask(pool)).body), /this is no HTTP/)
})

test('a body without a length lasts until the connection closes', async (t) => {
  const { pool, connections } = await serve(t, (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'))
  assert.equal(await text((await ask(pool)).body), 'all of it')
  assert.equal(await text((await ask(pool)).body), 'all of it')
  assert.equal(connections(), 2)
})

test('a kept connection that the server has closed is told apart', async (t) => {
  const { pool } = await serve(t, (socket, _request, count) => {
    if (count === 1 && socket.bytesWritten > 0) socket.destroy()
    else socket.write('HTTP/1.1 204 No Content\r\n\r\n')
  })
  await ask(pool)
  await assert.rejects(pool.request(get), StaleConnectionError)
  assert.equal((await ask(pool)).status, 204)
})

test('a slow reader holds the server back', async (t) => {
  const size = 50_000_000
  let sent = 0
  const { pool } = await serve(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
    const more = () => {
      while (sent < size) {
        sent += 100_000
        if (!socket.write(Buffer.alloc(100_000))) return void socket.once('drain', more)
      }
    }
    more()
  })
  const { body } = await ask(pool)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.ok(sent < size / 2, `${sent} bytes went out unread`)
  let received = 0
  for await (const chunk of body as AsyncIterable<Buffer>) received += chunk.length
  assert.equal(received, size)
})

test('an aborted call closes its connection and rejects with the reason', async (t) => {
  const { pool } = await serve(t, () => {})
  const controller = new AbortController()
  const pending = pool.request({ ...get, signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(pending, { message: 'enough' })
  await assert.rejects(pool.request({ ...get, signal: controller.signal }), { message: 'enough' })
})
