import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { EngineError, isAbort, kindOf, messageOf } from '../../lib/errors.ts'
import { abortReason } from '../../lib/op.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import type { Call } from './route.ts'
import { statusOf } from './status.ts'

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  const text = `${JSON.stringify(value)}\n`
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}

export function sendEmpty(response: ServerResponse, status = 204): void {
  response.writeHead(status)
  response.end()
}

/** Answers with a stream; headers go at once. A failure after them can only cut the connection. */
export async function sendStream(call: Call, source: Readable, contentType: string): Promise<void> {
  call.response.writeHead(200, { 'Content-Type': contentType })
  call.response.flushHeaders()
  await pipeline(source, call.response, { signal: call.op.signal })
}

/** Writes one value as a line; waits when the client is slow. */
export async function writeLine(call: Call, value: unknown): Promise<void> {
  if (call.response.write(`${JSON.stringify(value)}\r\n`)) return
  await drained(call)
}

/** Resolves when a slow client has taken what was written. */
export function drained(call: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    const { signal } = call.op
    const done = (settle: () => void) => () => {
      call.response.off('drain', onDrain)
      signal.removeEventListener('abort', onAbort)
      settle()
    }
    const onDrain = done(resolve)
    const onAbort = done(() => reject(abortReason(signal)))
    call.response.once('drain', onDrain)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}

/**
 * Docker's JSON streams (build, load, import): the status is 200 once the first line is out, so a later failure goes
 * into the stream; an earlier one is an ordinary error.
 */
export async function sendProgress(call: Call, messages: AsyncIterable<ProgressMessage>): Promise<void> {
  const { response } = call
  try {
    for await (const message of messages) {
      startJsonStream(response)
      await writeLine(call, message)
    }
    startJsonStream(response)
  } catch (error) {
    if (!response.headersSent || isAbort(error)) throw error
    const message = messageOf(error)
    call.op.log.info('stream failed', { error: kindOf(error) === 'internal' ? error : message })
    response.write(`${JSON.stringify({ errorDetail: { message }, error: message })}\r\n`)
  }
  response.end()
}

export function startJsonStream(response: ServerResponse): void {
  if (response.headersSent) return
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.flushHeaders()
}

/** The status and body for a failure before anything was sent. */
export function errorAnswer(error: unknown): { status: number; body: string | undefined } {
  const status = statusOf[kindOf(error)]
  // 304 has no body.
  return { status, body: status === 304 ? undefined : `${JSON.stringify({ message: messageOf(error) })}\n` }
}

export function unsupported(what: string): EngineError {
  return new EngineError('unsupported', `${what} is not supported yet`)
}
