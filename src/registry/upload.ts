import { createHash } from 'node:crypto'
import { Transform, type Readable } from 'node:stream'
import type { Digest } from '../lib/digest.ts'
import type { Op } from '../lib/op.ts'
import type { Connection } from './connection.ts'
import { RegistryError } from './errors.ts'
import type { HttpResponse } from './http.ts'
import { retrying } from './retry.ts'

export interface Upload {
  /** Known beforehand: the registry is asked whether it has it. Else the bytes go out as they come. */
  readonly blob?: { readonly digest: Digest; readonly size: number }
  /** Repositories of the same registry that may have the blob. */
  readonly from?: readonly string[]
  /** The bytes, from their beginning, in memory that is given away; called again when a try failed. */
  open(op: Op): Promise<Readable> | Readable
  progress?(bytes: number): void
  retrying?(ms: number): void
}

const commitMs = 300_000

/** Stores a blob: by mounting it where it is, or in one PATCH of all its bytes and a PUT with their digest. */
export async function uploadBlob(
  op: Op,
  o: Upload & { name: string; connection: Connection; attempts: number; pauseMs: number },
): Promise<{ digest: Digest; size: number; mountedFrom?: string }> {
  const mountedFrom = o.blob && (await mountBlob(op, { ...o, blob: o.blob, from: o.from ?? [] }))
  if (o.blob && mountedFrom !== undefined) return { ...o.blob, mountedFrom }
  const { attempts, pauseMs } = o
  const waiting = (ms: number) => o.retrying?.(ms)
  return await retrying(op, { attempts, pauseMs, waiting }, () => send(op, o))
}

/** The repository that the blob was mounted from; undefined when the bytes have to be sent. */
export async function mountBlob(
  op: Op,
  o: { name: string; connection: Connection; blob: { digest: Digest }; from: readonly string[] },
): Promise<string | undefined> {
  for (const from of o.from) if (await mount(op, { ...o, from })) return from
  return undefined
}

/** A registry that does not mount answers with a place for an upload, which is given back. */
async function mount(
  op: Op,
  o: { name: string; connection: Connection; blob: { digest: Digest }; from: string },
): Promise<boolean> {
  const { name, connection, blob, from } = o
  const query = new URLSearchParams({ mount: blob.digest, from })
  let response: HttpResponse
  try {
    response = await connection.request(op, {
      method: 'POST',
      path: `${name}/blobs/uploads/?${query.toString()}`,
      headers: { 'Content-Length': '0' },
      ok: [201, 202],
      scopes: [`repository:${from}:pull`, `repository:${name}:pull,push`],
    })
  } catch (error) {
    op.signal.throwIfAborted()
    // No right to read there, or no such place: then the bytes have to go.
    if (error instanceof RegistryError && error.status !== undefined && error.status < 500) return false
    throw error
  }
  response.body.resume()
  if (response.status === 201) return true
  await cancel(op, connection, placeOf(response))
  return false
}

async function send(
  op: Op,
  o: Upload & { name: string; connection: Connection },
): Promise<{ digest: Digest; size: number }> {
  const { name, connection } = o
  const started = await connection.request(op, {
    method: 'POST',
    path: `${name}/blobs/uploads/`,
    headers: { 'Content-Length': '0' },
    ok: [202],
  })
  started.body.resume()
  let place = placeOf(started)
  try {
    const hash = createHash('sha256')
    let size = 0
    const source = await o.open(op)
    const counted = new Transform({
      highWaterMark: 1 << 20,
      transform(chunk: Buffer, _encoding, callback) {
        hash.update(chunk)
        size += chunk.length
        o.progress?.(size)
        callback(null, chunk)
      },
    })
    source.once('error', (error) => counted.destroy(error))
    counted.once('close', () => source.destroy())
    source.pipe(counted)
    const sent = await connection.request(op, {
      method: 'PATCH',
      path: place,
      headers: {
        'Content-Type': 'application/octet-stream',
        ...(o.blob && { 'Content-Length': String(o.blob.size) }),
      },
      body: () => counted,
      ok: [201, 202, 204],
      retry: false,
      patience: commitMs,
    })
    sent.body.resume()
    place = placeOf(sent, place)
    const digest: Digest = `sha256:${hash.digest('hex')}`
    if (o.blob && o.blob.digest !== digest)
      throw new RegistryError('invalid', `blob ${o.blob.digest} has another digest by now: ${digest}`)
    const commit = new URL(place)
    commit.searchParams.set('digest', digest)
    const done = await connection.request(op, {
      method: 'PUT',
      path: commit,
      headers: { 'Content-Length': '0' },
      ok: [200, 201, 204],
      patience: commitMs,
      retry: false,
    })
    done.body.resume()
    return { digest, size }
  } catch (error) {
    await cancel(op, connection, place)
    throw error
  }
}

/** Where the upload goes on. Sent to as it stands: registries keep their state in it. */
function placeOf(response: HttpResponse, fallback?: URL): URL {
  const { location } = response.headers
  if (location === undefined && fallback) return fallback
  try {
    const place = new URL(location ?? '', response.url)
    if (location !== undefined && (place.protocol === 'https:' || place.protocol === 'http:')) return place
  } catch {
    // Reported below: it is the registry's fault either way.
  }
  throw new RegistryError('unavailable', 'the registry gave no place for an upload')
}

/** Best effort: a registry throws unfinished uploads away by itself. */
async function cancel(op: Op, connection: Connection, place: URL): Promise<void> {
  try {
    const own: Op = { ...op, signal: AbortSignal.timeout(5000) }
    const response = await connection.request(own, {
      method: 'DELETE',
      path: place,
      ok: [200, 202, 204, 404, 405],
    })
    response.body.resume()
  } catch (error) {
    op.log.debug('an upload was not taken back', { error: String(error) })
  }
}
