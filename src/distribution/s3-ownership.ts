import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { EngineError, isAbort, messageOf } from '../lib/errors.ts'
import { background, detached, type Op } from '../lib/op.ts'
import { bodyOf, type S3Client } from './s3-client.ts'
import { S3Error } from './s3-errors.ts'

/** Beside the objects; lists of the storage do not show it. */
const ownerKey = '.owner'

const record = z.object({ id: z.string(), host: z.string(), pid: z.number() })
type Owner = z.infer<typeof record>
interface Found {
  /** Undefined when it is not understood. */
  readonly owner: Owner | undefined
  readonly etag: string | undefined
  /** Milliseconds since it was written, by the clock of the S3 server. */
  readonly age: number
}

export interface OwnershipTimes {
  readonly renewMs: number
  /** Without a renewal for so long we write no more: somebody else may soon. */
  readonly holdMs: number
  /** An owner that said nothing for so long is gone. */
  readonly staleMs: number
}
const usualTimes: OwnershipTimes = { renewMs: 15_000, holdMs: 45_000, staleMs: 60_000 }
const releaseMs = 10_000

/**
 * Says in the bucket whose it is, and says so again and again: collections count on that nobody else writes. Where the server
 * knows conditional writes, two that claim at the same moment are told apart by it; else the next renewal finds out.
 */
export class S3Ownership implements AsyncDisposable {
  readonly #client: S3Client
  readonly #self: Owner
  readonly #times: OwnershipTimes
  readonly #stop = new AbortController()
  readonly #op: Op
  #renewed = 0
  #lostTo: Owner | undefined
  #conditions = true
  #loop: Promise<void> = Promise.resolve()

  private constructor(op: Op, client: S3Client, o: { id: string; times: OwnershipTimes }) {
    this.#op = background(op.log, this.#stop.signal)
    this.#client = client
    this.#self = { id: o.id, host: hostname(), pid: process.pid }
    this.#times = o.times
  }

  /** `id`: a server that starts again with that of the one before need not wait. Throws kind `conflict` when another has it. */
  static async claim(
    op: Op,
    client: S3Client,
    o: { id: string; times?: OwnershipTimes },
  ): Promise<S3Ownership> {
    const ownership = new S3Ownership(op, client, { id: o.id, times: o.times ?? usualTimes })
    const found = await ownership.#read(op)
    const { staleMs } = ownership.#times
    if (found?.owner && found.owner.id !== o.id && found.age < staleMs)
      throw conflict(
        client,
        `the server on ${found.owner.host} (process ${found.owner.pid}) uses it, and said so ${Math.round(found.age / 1000)} s ago; if it is gone, wait ${Math.round(staleMs / 1000)} s`,
      )
    await ownership.#write(op, found)
    ownership.#loop = ownership.#renewals(ownership.#op)
    return ownership
  }

  /** Throws kind `unavailable` when somebody else may be writing. */
  assertOurs(): void {
    if (this.#lostTo)
      throw new EngineError(
        'unavailable',
        `the server on ${this.#lostTo.host} has taken the registry's storage over`,
      )
    if (performance.now() - this.#renewed > this.#times.holdMs)
      throw new EngineError('unavailable', 'the S3 server does not answer: nothing is written until it does')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#loop
    if (this.#lostTo) return
    const op = detached(this.#op, releaseMs)
    try {
      if ((await this.#read(op))?.owner?.id !== this.#self.id) return
      const response = await this.#client.send(op, { method: 'DELETE', key: ownerKey, ok: [200, 204, 404] })
      response.body.resume()
    } catch (error) {
      // The next server waits until it is stale.
      op.log.warn('the storage in S3 could not be given back', { error })
    }
  }

  async #renewals(op: Op): Promise<void> {
    while (!this.#lostTo)
      try {
        await sleep(this.#times.renewMs, undefined, { signal: op.signal, ref: false })
        await this.#renew(op)
      } catch (error) {
        if (op.signal.aborted && (isAbort(error) || error === op.signal.reason)) return
        op.log.warn('the storage in S3 could not be claimed again', { error: messageOf(error) })
      }
  }

  async #renew(op: Op): Promise<void> {
    const found = await this.#read(op)
    if (found?.owner && found.owner.id !== this.#self.id) {
      this.#lostTo = found.owner
      op.log.error('another server uses the storage in S3: nothing is written any more', { ...found.owner })
    } else await this.#write(op, found)
  }

  async #read(op: Op): Promise<Found | undefined> {
    const { text, response } = await this.#client.text(op, { method: 'GET', key: ownerKey, ok: [200, 404] })
    if (response.status === 404) return undefined
    const { etag, date, 'last-modified': modified } = response.headers
    const age = Date.parse(date ?? '') - Date.parse(modified ?? '')
    return { owner: decode(text), etag, age: Number.isNaN(age) ? 0 : age }
  }

  /** In place of what was found, if that is still there. */
  async #write(op: Op, found: Found | undefined): Promise<void> {
    const asked = performance.now()
    const condition: Record<string, string> = found
      ? { ...(found.etag !== undefined && { 'If-Match': found.etag }) }
      : { 'If-None-Match': '*' }
    try {
      const response = await this.#client.send(op, {
        method: 'PUT',
        key: ownerKey,
        body: bodyOf(Buffer.from(JSON.stringify(this.#self))),
        ...(this.#conditions && { headers: condition }),
        ok: [200],
      })
      response.body.resume()
    } catch (error) {
      if (!(error instanceof S3Error)) throw error
      if (error.status === 412) return await this.#settle(op, { asked, error })
      // The server knows no conditional writes.
      if (error.status !== 501 || !this.#conditions) throw error
      this.#conditions = false
      return await this.#write(op, found)
    }
    this.#renewed = asked
  }

  /** A condition was not met: somebody else was faster, or an earlier try of ours was done and only its answer lost. */
  async #settle(op: Op, o: { asked: number; error: S3Error }): Promise<void> {
    if ((await this.#read(op))?.owner?.id !== this.#self.id)
      throw conflict(this.#client, 'another server takes it at this moment', o.error)
    this.#renewed = o.asked
  }
}

function decode(text: string): Owner | undefined {
  try {
    return record.parse(JSON.parse(text))
  } catch {
    // Whatever wrote that is no server of ours.
    return undefined
  }
}

function conflict(client: S3Client, why: string, cause?: unknown): EngineError {
  return new EngineError('conflict', `Cannot open the registry's storage at ${client.place}: ${why}`, {
    cause,
  })
}
