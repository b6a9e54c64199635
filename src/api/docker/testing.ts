import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../lib/log.ts'
import type { Route } from './route.ts'
import { ApiServer } from './server.ts'

/** An API of the given routes on a socket of its own, for tests. */
export interface TestApi extends AsyncDisposable {
  connect(): Socket
  /** Sends text, half-closes, and resolves with everything that came back. */
  raw(text: string): Promise<string>
}

export async function serveForTest(routes: readonly Route[]): Promise<TestApi> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-api-'))
  const path = join(directory, 's')
  const api = new ApiServer(routes, { log: silentLogger, version: '0' })
  const server = api.httpServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const open = () => connect({ path, allowHalfOpen: true })
  return {
    connect: open,
    async raw(text) {
      const socket = open()
      socket.end(text)
      return (await readAll(socket)).toString()
    },
    async [Symbol.asyncDispose]() {
      await api.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(directory, { recursive: true })
    },
  }
}

export async function readAll(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Reads until the text has come; what follows it is left in the answer too. */
export function readUntil(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = ''
    const onData = (chunk: Buffer) => {
      got += chunk.toString()
      if (!got.includes(text)) return
      socket.off('data', onData)
      socket.off('end', onEnd)
      socket.pause()
      resolve(got)
    }
    const onEnd = () => reject(new Error(`the stream ended at ${JSON.stringify(got)}`))
    socket.on('data', onData)
    socket.once('end', onEnd)
  })
}
