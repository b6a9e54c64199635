import type { IncomingMessage } from 'node:http'
import { Transform, type Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { FrameDecoder } from '../../wire/frame.ts'
import type { HijackedConnection } from './route.ts'

/** A message of a client that is longer than this is no keyboard's. Bytes. */
const maxPayload = 1 << 20

/**
 * 101 to a WebSocket: its binary messages are the stream, in pieces of any size. Docker: `framed` output, of a container without
 * a terminal, goes without the frames' headers.
 */
export function upgradeToWebsocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  o: { framed: boolean },
): Promise<HijackedConnection> {
  const server = new WebSocketServer({ noServer: true, maxPayload, perMessageDeflate: false })
  return new Promise((resolve, reject) => {
    server.once('wsClientError', (error) => reject(error))
    server.handleUpgrade(request, socket, head, (connection) => {
      const stream = createWebSocketStream(connection)
      if (!o.framed) return resolve({ input: stream, output: stream, close: () => void stream.end() })
      const output = withoutFrames()
      output.pipe(stream)
      resolve({ input: stream, output, close: () => void output.end() })
    })
  })
}

function withoutFrames(): Transform {
  const out: Buffer[] = []
  const decoder = new FrameDecoder((_stream, data) => out.push(data))
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      decoder.push(chunk)
      const whole = Buffer.concat(out.splice(0))
      done(null, whole.length > 0 ? whole : undefined)
    },
  })
}
