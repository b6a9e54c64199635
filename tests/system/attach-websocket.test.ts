import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { WebSocket } from 'ws'
import { system } from './harness.ts'

suite('attach over a websocket', () => {
  const s = system()
  const open = async (path: string) => {
    const socket = new WebSocket(`ws+unix://${s.daemon.socket}:/v1.51/containers/${path}`)
    const got: Buffer[] = []
    socket.on('message', (data) => got.push(data as Buffer))
    await once(socket, 'open')
    return { socket, text: () => Buffer.concat(got).toString() }
  }

  test('input reaches the container and its output comes back, without frames', async () => {
    await s.ok(
      'create',
      '-i',
      '--name',
      'echo',
      'busybox',
      'sh',
      '-c',
      'read line; echo "got $line"; echo no >&2',
    )
    const { socket, text } = await open('echo/attach/ws?stream=1&stdin=1&stdout=1')
    await s.ok('start', 'echo')
    socket.send('hello\n')
    await once(socket, 'close')
    assert.equal(text(), 'got hello\n')
  })

  test('a terminal is attached to, and its logs come first when asked for', async () => {
    await s.ok('run', '-dt', '--name', 'terminal', 'busybox', 'sh', '-c', 'echo first; sleep 1; echo last')
    const { socket, text } = await open('terminal/attach/ws?stream=1&stdout=1&logs=1')
    await once(socket, 'close')
    assert.equal(text(), 'first\r\nlast\r\n')
  })

  test('without an upgrade, and without a container, it says what is wrong', async () => {
    await s.ok('create', '--name', 'plain', 'busybox', 'true')
    const { status, text } = await s.daemon.api('GET', '/containers/plain/attach/ws')
    assert.equal(status, 400)
    assert.match(text, /wants an upgrade of the connection to a websocket/)
    const socket = new WebSocket(`ws+unix://${s.daemon.socket}:/v1.51/containers/nobody/attach/ws`)
    const [error] = (await once(socket, 'error')) as [Error]
    assert.match(error.message, /404/)
  })
})
