import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { Op } from '../../lib/op.ts'
import type { Query } from './query.ts'

/** What every request brings. `op` ends when the client vanishes, `committed` when the daemon goes. */
interface Request {
  readonly op: Op
  /** For state changes that a client's hanging up must not interrupt (docker: stop, kill, remove, …). */
  readonly committed: Op
  readonly request: IncomingMessage
  /** Decoded from the path. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  /** Minor number of the API version asked for: 51 for 1.51. */
  readonly minor: number
}

/** A plain request. */
export interface Call extends Request {
  readonly response: ServerResponse
}

/** A request whose connection becomes the stream. */
export interface HijackCall extends Request {
  /** Decodes the JSON body; an absent one is `{}`. */
  body(): Promise<unknown>
  /** Answers, and hands the connection over. Called once, before any byte. */
  accept(contentType: string): HijackedConnection
  /** Answers without a stream, in place of accept. */
  answer(status: number): void
}

/** A request whose connection speaks HTTP/2 from then on. */
export interface Http2Call extends Request {
  /** Answers, and hands the connection over. Called once. */
  accept(): Duplex
}

/** A request whose connection becomes a WebSocket. */
export interface WebsocketCall extends Request {
  /** Answers, and hands the connection over. Called once. */
  accept(o: { framed: boolean }): Promise<HijackedConnection>
}

/** Both ends half-close on their own: `input` ends when the client will send no more; ending `output` leaves input open. */
export interface HijackedConnection {
  readonly input: Readable
  readonly output: Writable
  /** Ends both ways once what was written has been sent. */
  close(): void
}

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'

/** `supported`; or refused with 501 and the sentence in `refusal`. docs/compat.md lists every one. */
export type Route = { readonly method: Method; /** find-my-way's syntax. */ readonly path: string } & (
  | { readonly handler: (call: Call) => Promise<void> | void }
  | { readonly hijack: (call: HijackCall) => Promise<void> }
  | { readonly http2: (call: Http2Call) => Promise<void> }
  | { readonly websocket: (call: WebsocketCall) => Promise<void> }
  | { readonly refusal: string }
)
