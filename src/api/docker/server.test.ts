import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineError } from '../../lib/errors.ts'
import { sendJson, sendProgress } from './respond.ts'
import type { Route } from './route.ts'
import { readAll, serveForTest } from './testing.ts'

const routes: Route[] = [
  { method: 'GET', path: '/minor', handler: ({ response, minor }) => sendJson(response, { minor }) },
  {
    method: 'GET',
    path: '/images/:name/json',
    handler: ({ response, params }) => sendJson(response, params),
  },
  { method: 'DELETE', path: '/images/:name', handler: ({ response, params }) => sendJson(response, params) },
  {
    method: 'GET',
    path: '/fails/:kind',
    handler: ({ params }) => {
      throw new EngineError(params['kind'] as 'invalid', `it is ${params['kind']}`)
    },
  },
  {
    method: 'POST',
    path: '/unread',
    handler: () => {
      throw new EngineError('conflict', 'there is one already')
    },
  },
  { method: 'GET', path: '/refused', refusal: 'not yet' },
  {
    method: 'GET',
    path: '/half',
    handler: (call) =>
      sendProgress(
        call,
        (async function* () {
          yield { status: 'begun' }
          throw new EngineError('invalid', 'then it broke')
        })(),
      ),
  },
]

async function get(path: string, method = 'GET'): Promise<{ status: number; head: string; body: string }> {
  await using api = await serveForTest(routes)
  const answer = await api.raw(`${method} ${path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n`)
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2)
  return { status: Number(head.split(' ')[1]), head, body }
}

test('paths work with and without a version from 1.24 to 1.51', async () => {
  assert.equal((await get('/minor')).body, '{"minor":51}\n')
  assert.equal((await get('/v1.24/minor')).body, '{"minor":24}\n')
  assert.equal((await get('/v1.51/minor')).body, '{"minor":51}\n')
})

test('other versions are refused in docker’s words', async () => {
  assert.deepEqual(await get('/v1.99/minor').then(({ status, body }) => [status, body]), [
    400,
    '{"message":"client version 1.99 is too new. Maximum supported API version is 1.51"}\n',
  ])
  assert.deepEqual(await get('/v1.12/minor').then(({ status, body }) => [status, body]), [
    400,
    '{"message":"client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"}\n',
  ])
  assert.equal((await get('/v2.0/minor')).status, 400)
  assert.equal((await get('/v0.99/minor')).status, 400)
})

test('unknown routes and methods answer 404', async () => {
  for (const [path, method] of [
    ['/nope', 'GET'],
    ['/minor', 'POST'],
    ['/v1.40/', 'GET'],
  ] as const) {
    const { status, body } = await get(path, method)
    assert.deepEqual([status, body], [404, '{"message":"page not found"}\n'])
  }
})

test('every answer carries docker’s headers', async () => {
  const { head } = await get('/nope')
  for (const line of [
    'Api-Version: 1.51',
    'Docker-Experimental: false',
    'Ostype: linux',
    'Server: Gantry/0 (linux)',
  ])
    assert.ok(head.includes(line), line)
})

test('the kind of a failure decides its status', async () => {
  const statuses = {
    invalid: 400,
    unauthorized: 401,
    forbidden: 403,
    'not-found': 404,
    conflict: 409,
    unsupported: 501,
    unavailable: 503,
    internal: 500,
  }
  for (const [kind, expected] of Object.entries(statuses)) {
    const { status, body } = await get(`/fails/${kind}`)
    assert.deepEqual([status, body], [expected, `{"message":"it is ${kind}"}\n`])
  }
  const unchanged = await get('/fails/not-modified')
  assert.deepEqual([unchanged.status, unchanged.body], [304, ''])
  assert.deepEqual(await get('/refused').then(({ status, body }) => [status, body]), [
    501,
    '{"message":"not yet"}\n',
  ])
})

test('image names keep their slashes', async () => {
  assert.equal((await get('/v1.44/images/ghcr.io/a/b:1/json')).body, '{"name":"ghcr.io/a/b:1"}\n')
  assert.equal((await get('/images/ghcr.io%2Fa%2Fb/json')).body, '{"name":"ghcr.io/a/b"}\n')
  assert.equal((await get('/images/a/b:1', 'DELETE')).body, '{"name":"a/b:1"}\n')
  assert.equal((await get('/images/busybox/json')).body, '{"name":"busybox"}\n')
})

test('a failure after the stream has begun goes into the stream', async () => {
  const { status, body } = await get('/half')
  assert.equal(status, 200)
  assert.match(body, /\{"status":"begun"\}\r\n/)
  assert.match(body, /\{"errorDetail":\{"message":"then it broke"\},"error":"then it broke"\}/)
})

test('an upload that is refused early may go on until its sender sees why', async () => {
  await using api = await serveForTest(routes)
  const socket = api.connect()
  const errors: Error[] = []
  socket.on('error', (error) => errors.push(error))
  socket.write('POST /unread HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (let chunk = 0; chunk < 20; chunk++) {
    socket.write(`ffff\r\n${'x'.repeat(0xffff)}\r\n`)
    await delay(2)
  }
  socket.write('0\r\n\r\n')
  const answer = (await readAll(socket)).toString()
  assert.match(answer, /^HTTP\/1\.1 409 /)
  assert.match(answer, /Connection: close\r\n/)
  assert.match(answer, /\r\n\r\n\{"message":"there is one already"\}\n$/)
  assert.deepEqual(errors, [])
})
