import type { Readable } from 'node:stream'
import { hexOf, type Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { encodeHeader, padded, type TarType } from '../snapshot/index.ts'

/** The pieces of an image archive in OCI layout, with fixed attributes: the same images give the same archive. */
export const pathOf = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`
export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
export const endOfArchive = Buffer.alloc(1024)

export function* folders(): Generator<Buffer> {
  yield header('blobs', 'directory', 0)
  yield header('blobs/sha256', 'directory', 0)
}

export async function* blob(
  item: { readonly digest: Digest; readonly size: number },
  source: Readable,
): AsyncGenerator<Buffer> {
  yield header(pathOf(item.digest), 'file', item.size)
  let left = item.size
  for await (const chunk of source as AsyncIterable<Buffer>) {
    left -= chunk.length
    yield chunk
  }
  if (left !== 0)
    throw new EngineError('internal', `content ${item.digest} does not have its ${item.size} bytes`)
  yield* padding(item.size)
}

export function* file(name: string, data: Buffer): Generator<Buffer> {
  yield header(name, 'file', data.length)
  yield data
  yield* padding(data.length)
}

function* padding(size: number): Generator<Buffer> {
  if (padded(size) > size) yield Buffer.alloc(padded(size) - size)
}

function header(name: string, kind: TarType, size: number): Buffer {
  return encodeHeader({
    name,
    type: kind,
    linkName: '',
    mode: kind === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: { sec: 0, nsec: 0 },
    major: 0,
    minor: 0,
    xattrs: new Map(),
  })
}
