import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { S3Client, S3Response } from './s3-client.ts'
import { errorOfConnection, S3Error } from './s3-errors.ts'
import type { ByteRange } from './storage.ts'

const maxFailures = 5
const pauseMs = 200

/**
 * The bytes of an object: all, or a range. When the connection breaks, it goes on where it broke, on the same version of the object.
 * Throws kind `not-found` before anything is read; fails rather than end early.
 */
export async function readObject(
  op: Op,
  client: S3Client,
  o: { key: string; range?: ByteRange | undefined },
): Promise<Readable> {
  const first = await request(op, client, { key: o.key, range: o.range })
  if (first.status === 404) {
    first.body.destroy()
    throw new EngineError('not-found', `no object ${o.key} in the storage`)
  }
  const start = o.range?.start ?? 0
  const size = Number(first.headers['content-length'])
  if (!Number.isSafeInteger(size) || (o.range && first.status !== 206)) {
    first.body.destroy()
    throw new S3Error(
      `${client.nameOf({ method: 'GET', key: o.key })}: the S3 server answers without length or range`,
      {
        temporary: false,
      },
    )
  }
  const stream = Readable.from(bytes(op, client, { key: o.key, start, end: start + size - 1, first }), {
    objectMode: false,
    highWaterMark: 256 << 10,
  })
  // A reader that goes before the first byte was asked for: the generator has not begun, and cannot clean up.
  stream.once('close', () => first.body.destroy())
  return stream
}

async function* bytes(
  op: Op,
  client: S3Client,
  o: { key: string; start: number; end: number; first: S3Response },
): AsyncGenerator<Buffer> {
  const etag = o.first.headers.etag
  let position = o.start
  let response = o.first
  for (let failures = 0; ;) {
    const before = position
    let cause: unknown = new Error('the S3 server ended the answer early')
    try {
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        position += chunk.length
        if (position > o.end + 1)
          throw new S3Error(`object ${o.key}: the S3 server sends more than it said`, { temporary: false })
        yield chunk
      }
      if (position === o.end + 1) return
    } catch (error) {
      op.signal.throwIfAborted()
      if (error instanceof EngineError) throw error
      cause = error
    } finally {
      response.body.destroy()
    }
    failures = position > before ? 1 : failures + 1
    if (failures >= maxFailures) throw errorOfConnection(client.nameOf({ method: 'GET', key: o.key }), cause)
    op.log.info('reading from S3 broke off and is taken up again', { key: o.key, position })
    await sleep(pauseMs * (failures - 1), undefined, { signal: op.signal })
    response = await request(op, client, { key: o.key, range: { start: position, end: o.end }, etag })
    if (response.status !== 206 || !sameStart(response, position)) {
      response.body.destroy()
      throw new S3Error(`object ${o.key} went while it was read`, { temporary: false })
    }
  }
}

async function request(
  op: Op,
  client: S3Client,
  o: { key: string; range?: ByteRange | undefined; etag?: string | undefined },
): Promise<S3Response> {
  return await client.send(op, {
    method: 'GET',
    key: o.key,
    headers: {
      ...(o.range && { Range: `bytes=${o.range.start}-${o.range.end}` }),
      ...(o.etag !== undefined && { 'If-Match': o.etag }),
    },
    ok: [200, 206, 404],
  })
}

function sameStart(response: S3Response, position: number): boolean {
  return /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1] === String(position)
}
