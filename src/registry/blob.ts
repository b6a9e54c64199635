import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../lib/digest.ts'
import type { Op } from '../lib/op.ts'
import { release } from '../lib/release.ts'
import { errorOfSocket, isTemporary, RegistryError } from './errors.ts'
import type { HttpResponse } from './http.ts'
import { waitAfter } from './retry.ts'

export interface BlobDescriptor {
  readonly digest: Digest
  readonly size: number
}

export interface BlobProgress {
  /** Bytes so far. */
  received?(bytes: number): void
  /** The download broke off and goes on after so many milliseconds. */
  retrying?(ms: number): void
}

/** Takes the bytes of a chunk until it returns; a promise that it returns is waited for before the next. */
export type BlobWrite = (chunk: Buffer) => Promise<void> | undefined

export interface Download {
  readonly open: (op: Op, from: number) => Promise<HttpResponse>
  readonly attempts: number
  readonly pauseMs: number
  readonly progress?: BlobProgress
}

/** Downloads; goes on where the connection broke off, until `attempts` tries in a row brought nothing. */
export async function fetchBlob(
  op: Op,
  blob: BlobDescriptor,
  o: Download & { write: BlobWrite },
): Promise<void> {
  let received = 0
  let failures = 0
  /** What `write` threw: nothing that another try would change. */
  let refusal: { readonly error: unknown } | undefined
  const take = (chunk: Buffer) => {
    received += chunk.length
    o.progress?.received?.(received)
    try {
      return o.write(chunk)?.catch((error: unknown) => {
        refusal = { error }
        throw error
      })
    } catch (error) {
      refusal = { error }
      throw error
    }
  }
  while (received < blob.size || (blob.size === 0 && failures === 0)) {
    const before = received
    try {
      const response = await o.open(op, received)
      await readBlob(blob, response, { from: received, take })
      if (received === blob.size) return
      throw new RegistryError(
        'unavailable',
        `blob ${blob.digest} was cut off after ${received} of its ${blob.size} bytes`,
      )
    } catch (error) {
      if (refusal) throw refusal.error
      op.signal.throwIfAborted()
      if (received > before) failures = 0
      failures++
      const wait =
        isTemporary(error) && failures < o.attempts
          ? waitAfter(error, { attempt: failures, pauseMs: o.pauseMs })
          : undefined
      if (wait === undefined) throw error
      op.log.info('a download broke off and is taken up again', {
        blob: blob.digest,
        received,
        error: String(error),
      })
      o.progress?.retrying?.(wait)
      await sleep(wait, undefined, { signal: op.signal })
    }
  }
}

/** The same as a stream, which begins when it is read. */
export function blobStream(op: Op, blob: BlobDescriptor, o: Download): Readable {
  const gone = new AbortController()
  let begun = false
  let more: (() => void) | undefined
  const stream = new Readable({
    highWaterMark: 1 << 20,
    read() {
      if (!begun) begin()
      more?.()
    },
    destroy(error, callback) {
      gone.abort(new DOMException('nobody reads the stream', 'AbortError'))
      callback(error)
    },
  })
  const begin = () => {
    begun = true
    const inner = { ...op, signal: AbortSignal.any([op.signal, gone.signal]) }
    const write = (chunk: Buffer) =>
      // The chunk's own memory goes back.
      stream.push(Buffer.from(chunk)) ? undefined : new Promise<void>((resolve) => (more = resolve))
    fetchBlob(inner, blob, { ...o, write }).then(
      () => stream.push(null),
      (error: Error) => stream.destroy(error),
    )
  }
  return stream
}

/** Takes what follows the first `from` bytes; of a server that sends all of them again, those are dropped. */
function readBlob(
  blob: BlobDescriptor,
  response: HttpResponse,
  o: { from: number; take: BlobWrite },
): Promise<void> {
  const { body } = response
  const partial = response.status === 206
  let skip = partial ? 0 : o.from
  let position = partial ? o.from : 0
  return new Promise((resolve, reject) => {
    let over = false
    const end = (settle: () => void) => {
      over = true
      settle()
      body.destroy()
    }
    const fail = (error: Error) => end(() => reject(error))
    const range = /^bytes (\d+)-/.exec(String(response.headers['content-range'] ?? ''))?.[1]
    if (partial && Number(range ?? o.from) !== o.from)
      fail(
        new RegistryError(
          'invalid',
          `blob ${blob.digest}: the registry sent another range than was asked for`,
        ),
      )
    const onData = (chunk: Buffer) => {
      position += chunk.length
      if (position > blob.size)
        throw new RegistryError(
          'invalid',
          `blob ${blob.digest} is longer than the ${blob.size} bytes promised`,
        )
      const dropped = Math.min(skip, chunk.length)
      skip -= dropped
      return dropped === chunk.length ? undefined : o.take(chunk.subarray(dropped))
    }
    body.on('data', (chunk: Buffer) => {
      if (over) return
      try {
        const behind = onData(chunk)
        if (behind) {
          body.pause()
          behind.then(() => body.resume(), fail)
        }
      } catch (error) {
        fail(error as Error)
      } finally {
        release(chunk)
      }
    })
    body.once('end', () => end(resolve))
    body.once('error', (cause) => fail(errorOfSocket(cause, `blob ${blob.digest}`)))
    body.once('close', () =>
      fail(errorOfSocket(new Error('the connection was closed'), `blob ${blob.digest}`)),
    )
  })
}
