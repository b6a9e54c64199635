/** The command as people run it, against a daemon that is none. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { frameHeader } from '../wire/frame.ts'

interface Daemon {
  readonly host: string
  readonly calls: string[]
}

/** A daemon whose containers echo their input in upper case to stdout, complain on stderr and exit with 7. */
async function fakeDaemon(t: TestContext): Promise<Daemon> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
  const calls: string[] = []
  let attached: Socket | undefined
  let waiting: ServerResponse | undefined
  const answer = (response: ServerResponse, status: number, body: unknown) =>
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  const play = (input: string) => {
    const out = Buffer.from(input.toUpperCase())
    const err = Buffer.from('complaint\n')
    attached?.end(Buffer.concat([frameHeader(1, out.length), out, frameHeader(2, err.length), err]))
    waiting?.end('{"StatusCode":7}')
  }
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const call = `${request.method} ${(request.url ?? '').replace(/^\/v1\.51/, '').replace(/\?.*/, '')}`
    calls.push(call)
    if (call === 'POST /containers/create') {
      const body = (await json(request)) as { Image: string }
      if (body.Image === 'nope') return answer(response, 404, { message: 'No such image: nope:latest' })
      return answer(response, 201, { Id: 'cafe', Warnings: ['careful'] })
    }
    if (call === 'POST /images/create') {
      const messages = [
        { status: 'Pulling from library/nope', id: 'latest' },
        { error: 'pull access denied' },
      ]
      return response.end(messages.map((message) => `${JSON.stringify(message)}\r\n`).join(''))
    }
    if (call === 'POST /containers/cafe/wait') {
      waiting = response
      response.writeHead(200, { 'Content-Type': 'application/json' })
      return response.flushHeaders()
    }
    if (call === 'POST /containers/cafe/start') {
      if (attached) readInput(attached, play)
      return response.writeHead(204).end()
    }
    return answer(response, 404, { message: `No such container: ${request.url?.split('/')[3]}` })
  }
  const server: Server = createServer((request, response) => void handle(request, response))
  server.on('upgrade', (request, socket: Socket) => {
    calls.push('attach')
    socket.allowHalfOpen = true
    attached = socket
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
    if (!request.url?.includes('stdin=true')) socket.push(null)
  })
  server.listen(join(directory, 's'))
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    attached?.destroy()
    server.close()
    rmSync(directory, { recursive: true })
  })
  return { host: `unix://${join(directory, 's')}`, calls }
}

/** Without destroying the socket, as the stream consumers would. */
function readInput(socket: Socket, done: (input: string) => void): void {
  let input = ''
  socket.on('data', (chunk) => (input += String(chunk)))
  socket.on('end', () => done(input))
}

async function gantry(host: string, argv: readonly string[], input = '') {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...argv], {
    env: { ...process.env, GANTRY_HOST: host, DOCKER_CONFIG: '/nonexistent' },
  })
  child.stdin.end(input)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, stdout, stderr }
}

test('run attaches and waits before it starts, and ends as the container does', async (t) => {
  const { host, calls } = await fakeDaemon(t)
  const result = await gantry(host, ['run', '-i', 'busybox', 'cat'], 'hello\n')
  assert.deepEqual(result, { code: 7, stdout: 'HELLO\n', stderr: 'WARNING: careful\ncomplaint\n' })
  assert.equal(calls[0], 'POST /containers/create')
  assert.deepEqual(calls.slice(1, 3).toSorted(), ['POST /containers/cafe/wait', 'attach'])
  assert.equal(calls[3], 'POST /containers/cafe/start')
})

test('run -d prints the id and does not attach', async (t) => {
  const { host, calls } = await fakeDaemon(t)
  assert.equal((await gantry(host, ['run', '-d', 'busybox'])).stdout, 'cafe\n')
  assert.deepEqual(calls, ['POST /containers/create', 'POST /containers/cafe/start'])
})

test("failures have docker's texts and exit codes", async (t) => {
  const { host } = await fakeDaemon(t)
  const image = await gantry(host, ['run', 'nope'])
  assert.equal(image.code, 125)
  assert.match(
    image.stderr,
    /^Unable to find image 'nope:latest' locally\nlatest: Pulling from library\/nope\ngantry: pull access denied\n/,
  )
  const never = await gantry(host, ['run', '--pull=never', 'nope'])
  assert.equal(never.code, 125)
  assert.match(never.stderr, /^gantry: Error response from daemon: No such image: nope:latest\n/)
  assert.deepEqual(await gantry(host, ['inspect', '-f', '{{.A', 'x']), {
    code: 64,
    stdout: '',
    stderr: 'template parsing error: template: :1: unclosed action\n',
  })
  assert.deepEqual(await gantry(host, ['rm', 'nix']), {
    code: 1,
    stdout: '',
    stderr: 'Error response from daemon: No such container: nix\n',
  })
  assert.deepEqual(await gantry('unix:///nonexistent', ['ps']), {
    code: 1,
    stdout: '',
    stderr: 'Cannot connect to the Gantry daemon at unix:///nonexistent. Is the daemon running?\n',
  })
  assert.equal((await gantry(host, ['ps', '--bogus'])).code, 125)
  assert.equal((await gantry(host, ['compose', 'ps', '--bogus'])).code, 1)
  assert.deepEqual(await gantry(host, ['checkpoint', 'x']), {
    code: 1,
    stdout: '',
    stderr: 'gantry checkpoint: checkpoints are not supported\n',
  })
})
