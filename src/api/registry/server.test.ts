import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { TestServer } from './testing.ts'

test('an image is pushed and pulled', async () => {
  await using server = await TestServer.start()
  const pushed = await server.pushImage('team/app', 'v1', { layers: ['one', 'two'] })
  assert.equal(pushed.response.status, 201, await pushed.response.text())
  const manifest = await server.ask('GET', '/v2/team/app/manifests/v1')
  assert.equal(await manifest.text(), pushed.text)
  assert.equal(manifest.headers.get('content-type'), pushed.mediaType)
  assert.equal(manifest.headers.get('docker-content-digest'), pushed.digest)
  const { layers } = JSON.parse(pushed.text) as { layers: { digest: string }[] }
  const blobs = layers.map(async ({ digest }) => {
    const blob = await server.ask('GET', `/v2/team/app/blobs/${digest}`)
    return await blob.text()
  })
  assert.deepEqual(await Promise.all(blobs), ['one', 'two'])
  assert.deepEqual(await (await server.ask('GET', '/v2/team/app/tags/list')).json(), {
    name: 'team/app',
    tags: ['v1'],
  })
  assert.deepEqual(await (await server.ask('GET', '/v2/_catalog')).json(), { repositories: ['team/app'] })
})

test('stop() ends requests that wait for their clients', async () => {
  const server = await TestServer.start()
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.on('error', () => {})
  const begun = await server.ask('POST', '/v2/a/blobs/uploads/')
  socket.write(`PATCH ${begun.headers.get('location')} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\npart`)
  await new Promise((resolve) => setTimeout(resolve, 30))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await server[Symbol.asyncDispose]()
  await closed
})
