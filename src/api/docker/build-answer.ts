import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { once } from 'node:events'
import type { Op } from '../../lib/op.ts'
import { buildStreamType, pieceHeader } from '../../wire/build-stream.ts'
import type { BuildEvent } from '../../wire/build.ts'

/** Where a build's events, and the outputs that go to the client, are written. */
export interface BuildAnswer {
  readonly event: (event: BuildEvent) => void
  /** Sends the tar of an output, counted from 1. */
  send(op: Op, channel: number, tar: Readable): Promise<void>
}

/** Events alone are NDJSON; with outputs they share the answer (see wire/build-stream.ts). Headers go with the first event. */
export function buildAnswer(response: ServerResponse, o: { outputs: boolean }): BuildAnswer {
  const start = () => {
    if (response.headersSent) return
    response.writeHead(200, { 'Content-Type': o.outputs ? buildStreamType : 'application/x-ndjson' })
    response.flushHeaders()
  }
  return {
    event: (event) => {
      start()
      const line = Buffer.from(`${JSON.stringify(event)}\n`)
      if (o.outputs) response.write(pieceHeader(0, line.length))
      response.write(line)
    },
    async send(op, channel, tar) {
      start()
      try {
        for await (const chunk of tar as AsyncIterable<Buffer>) {
          op.signal.throwIfAborted()
          response.write(pieceHeader(channel, chunk.length))
          if (!response.write(chunk)) await drained(op, response)
        }
        response.write(pieceHeader(channel, 0))
      } finally {
        tar.destroy()
      }
    },
  }
}

/** The client may go while we wait: that aborts the operation. */
async function drained(op: Op, response: ServerResponse): Promise<void> {
  if (response.writableNeedDrain) await once(response, 'drain', { signal: op.signal })
}
