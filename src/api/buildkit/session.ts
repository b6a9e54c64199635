import type { IncomingHttpHeaders } from 'node:http2'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { GrpcClient } from './grpc/client.ts'

/** A client that stays connected during a build and offers services: its files, secrets, agents, receivers. */
export interface Session {
  readonly id: string
  /** Names the directory that it builds, among those of all clients; empty when it does not say. */
  readonly sharedKey: string
  readonly client: GrpcClient
  /** Whether it offers a method, by its path. */
  supports(method: string): boolean
}

/** How long a build waits for its session: both are opened at once. Milliseconds. */
const patience = 5_000

/** The sessions that are open, by id. */
export class Sessions {
  readonly #open = new Map<string, Session>()
  readonly #waiting = new Set<{ id: string; found(session: Session): void }>()

  /** Keeps a session until its connection ends. `headers` are those of the request that opened it. */
  async serve(op: Op, socket: Duplex, headers: IncomingHttpHeaders): Promise<void> {
    const id = headerOf(headers, 'uuid')
    if (id === '') throw new EngineError('invalid', 'a session needs an id')
    if (this.#open.has(id)) throw new EngineError('conflict', `session ${id} already exists`)
    const methods = new Set(
      headerOf(headers, 'grpc-method')
        .split(',')
        .map((method) => method.trim().toLowerCase()),
    )
    const client = new GrpcClient(op, socket)
    const session: Session = {
      id,
      sharedKey: headerOf(headers, 'sharedkey'),
      client,
      supports: (method) => methods.has(method.toLowerCase()),
    }
    this.#open.set(id, session)
    const onAbort = () => client.close()
    op.signal.addEventListener('abort', onAbort, { once: true })
    if (op.signal.aborted) onAbort()
    for (const waiter of this.#waiting) if (waiter.id === id) waiter.found(session)
    try {
      await client.closed
    } finally {
      op.signal.removeEventListener('abort', onAbort)
      this.#open.delete(id)
    }
  }

  /** Waits a little for a session that is on its way. */
  async get(op: Op, id: string): Promise<Session> {
    const known = this.#open.get(id)
    if (known) return known
    const { promise, resolve } = Promise.withResolvers<Session>()
    const waiter = { id, found: resolve }
    this.#waiting.add(waiter)
    const over = new AbortController()
    try {
      const timeout = delay(patience, undefined, { signal: AbortSignal.any([op.signal, over.signal]) })
      const session = await Promise.race([promise, timeout])
      if (session) return session
      throw new EngineError('not-found', `no active session for ${id}: context deadline exceeded`)
    } finally {
      over.abort()
      this.#waiting.delete(waiter)
    }
  }
}

function headerOf(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[`x-docker-expose-session-${name}`]
  return Array.isArray(value) ? value.join(',') : (value ?? '')
}
