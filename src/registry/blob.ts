import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
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

/** A download that goes on where it broke off, until `attempts` tries in a row brought nothing. */
export function blobStream(
  op: Op,
  blob: BlobDescriptor,
  o: {
    open: (from: number) => Promise<HttpResponse>
    attempts: number
    pauseMs: number
    progress?: BlobProgress
  },
): Readable {
  return Readable.from(chunks(op, blob, o), { objectMode: false, highWaterMark: 1 << 20 })
}

async function* chunks(
  op: Op,
  blob: BlobDescriptor,
  o: Parameters<typeof blobStream>[2],
): AsyncGenerator<Buffer> {
  let received = 0
  let failures = 0
  while (received < blob.size || (blob.size === 0 && failures === 0)) {
    const before = received
    try {
      for await (const chunk of body(blob, await o.open(received), received)) {
        received += chunk.length
        yield chunk
        o.progress?.received?.(received)
      }
      if (received === blob.size) return
      throw new RegistryError(
        'unavailable',
        `blob ${blob.digest} was cut off after ${received} of its ${blob.size} bytes`,
      )
    } catch (error) {
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

/** What follows the first `from` bytes; a server that sends all of them again has those dropped. */
async function* body(blob: BlobDescriptor, response: HttpResponse, from: number): AsyncGenerator<Buffer> {
  let skip = response.status === 206 ? 0 : from
  const range = /^bytes (\d+)-/.exec(String(response.headers['content-range'] ?? ''))?.[1]
  if (response.status === 206 && Number(range ?? from) !== from) {
    response.body.destroy()
    throw new RegistryError(
      'invalid',
      `blob ${blob.digest}: the registry sent another range than was asked for`,
    )
  }
  let position = response.status === 206 ? from : 0
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      position += chunk.length
      if (position > blob.size)
        throw new RegistryError(
          'invalid',
          `blob ${blob.digest} is longer than the ${blob.size} bytes promised`,
        )
      if (skip >= chunk.length) {
        skip -= chunk.length
        continue
      }
      yield skip > 0 ? chunk.subarray(skip) : chunk
      skip = 0
    }
  } catch (cause) {
    if (cause instanceof EngineError) throw cause
    throw errorOfSocket(cause, `blob ${blob.digest}`)
  } finally {
    response.body.destroy()
  }
}
