import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { listenFailure } from './listen-failure.ts'

const failure = (code: string) => Object.assign(new Error(`listen ${code}`), { code })

test('a port in use is told with the process that holds it', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  for (const [host, address] of [
    ['127.0.0.1', `127.0.0.1:${port}`],
    ['', `:${port}`],
  ] as const) {
    const error = await listenFailure(failure('EADDRINUSE'), { host, port, name: 'listen' })
    assert.equal(error.kind, 'conflict')
    assert.match(
      error.message,
      new RegExp(`^Cannot listen on ${address} \\(--listen\\): .* by process ${process.pid} \\(`),
    )
  }
})

test('other reasons are told in words', async () => {
  const where = { host: '::1', port: 80, name: 'host' }
  const text = async (code: string) => (await listenFailure(failure(code), where)).message
  assert.equal(
    await text('EADDRNOTAVAIL'),
    'Cannot listen on [::1]:80 (--host): this host has no such address',
  )
  assert.match(await text('EACCES'), /below 1024/)
  assert.match(await text('EOTHER'), /listen EOTHER$/)
})
