import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { connect, ConnectError, DaemonError } from './index.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

async function serve(
  t: TestContext,
  handler: Handler,
): Promise<{ host: string; server: Server; path: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
  const path = join(directory, 's')
  const server = createServer(handler).listen(path)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
    rmSync(directory, { recursive: true })
  })
  return { host: `unix://${path}`, server, path }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

test('calls share one connection, and speak the newest version', async (t) => {
  const sockets = new Set<unknown>()
  const urls: string[] = []
  const { host } = await serve(t, (request, response) => {
    sockets.add(request.socket)
    urls.push(`${request.method} ${request.url}`)
    json(response, 200, [])
  })
  using client = connect({ host })
  await client.containers.list({ all: true, filters: { name: ['a', 'b'] } })
  await client.images.list()
  assert.equal(sockets.size, 1)
  assert.deepEqual(urls, [
    'GET /v1.51/containers/json?all=true&filters=%7B%22name%22%3A%7B%22a%22%3Atrue%2C%22b%22%3Atrue%7D%7D',
    'GET /v1.51/images/json',
  ])
})

test('an older daemon is spoken to in its version', async (t) => {
  const urls: string[] = []
  const { host } = await serve(t, (request, response) => {
    urls.push(request.url ?? '')
    if (request.url?.startsWith('/v1.51'))
      json(response, 400, {
        message: 'client version 1.51 is too new. Maximum supported API version is 1.47',
      })
    else json(response, 200, [])
  })
  using client = connect({ host })
  await client.containers.list()
  await client.containers.list()
  assert.deepEqual(urls, ['/v1.51/containers/json', '/v1.47/containers/json', '/v1.47/containers/json'])
})

test("the daemon's failures keep its text and have a kind", async (t) => {
  const { host } = await serve(t, (_, response) => json(response, 404, { message: 'No such container: x' }))
  using client = connect({ host })
  await assert.rejects(client.containers.inspect('x'), (error) => {
    assert(error instanceof DaemonError)
    assert.deepEqual([error.kind, error.status, error.message], ['not-found', 404, 'No such container: x'])
    return true
  })
})

test('nobody listening is one clear sentence, and a daemon may be started', async (t) => {
  const path = join(tmpdir(), `gantry-none-${process.pid}`)
  const host = `unix://${path}`
  using lonely = connect({ host })
  await assert.rejects(lonely.system.version(), (error) => {
    assert(error instanceof ConnectError)
    assert.equal(error.message, `Cannot connect to the Gantry daemon at ${host}. Is the daemon running?`)
    return true
  })
  let starts = 0
  using client = connect({
    host,
    onUnavailable: async () => {
      starts++
      const server = createServer((_, response) => json(response, 200, { Version: '1' })).listen(path)
      await once(server, 'listening')
      t.after(() => {
        server.closeAllConnections()
        server.close()
      })
      return true
    },
  })
  assert.equal((await client.system.version()).Version, '1')
  assert.equal(starts, 1)
})

test('a hijacked connection is half-closed without losing output', async (t) => {
  const { host, server } = await serve(t, (_, response) => json(response, 500, { message: 'no' }))
  server.on('upgrade', (request, socket: Socket, head: Buffer) => {
    socket.allowHalfOpen = true
    socket.write(
      'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: x/raw\r\n\r\nearly ',
    )
    const chunks = [head]
    socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)))
    socket.on('end', () => socket.end(`got ${Buffer.concat(chunks).toString()} at ${request.url}`))
  })
  using client = connect({ host })
  const { stream, contentType } = await client.containers.attach('c', { stdin: true, stdout: true })
  stream.end('input')
  assert.equal(contentType, 'x/raw')
  assert.equal(
    await text(stream),
    'early got input at /v1.51/containers/c/attach?stream=true&stdin=true&stdout=true',
  )
})

test('a wait is registered before its result is there', async (t) => {
  let finish = () => {}
  const { host } = await serve(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.flushHeaders()
    finish = () => response.end('{"StatusCode":7}')
  })
  using client = connect({ host })
  const { result } = await client.containers.wait('c', 'next-exit')
  finish()
  assert.equal((await result).StatusCode, 7)
})

test('streams go up once and answers come down by line', async (t) => {
  const seen: string[] = []
  const { host } = await serve(t, (request, response) => {
    void text(request).then((body) => {
      seen.push(`${request.method} ${request.url} ${body}`)
      response.end('{"stream":"a"}\r\n{"stre')
      return undefined
    })
  })
  using client = connect({ host })
  const read = async () => {
    const out: unknown[] = []
    for await (const line of client.images.load(Readable.from(['tar', 'ball']))) out.push(line)
    return out
  }
  await assert.rejects(read(), { kind: 'unavailable', message: 'the connection to the daemon was lost' })
  assert.deepEqual(seen, ['GET /v1.51/_ping ', 'POST /v1.51/images/load?quiet=false tarball'])
})
