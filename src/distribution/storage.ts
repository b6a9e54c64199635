import type { Readable } from 'node:stream'
import type { Op } from '../lib/op.ts'

/**
 * Objects by key. Keys are made by layout.ts alone: segments of `[A-Za-z0-9._-]`, joined by `/`. A prefix is whole segments
 * without a slash at its end; the empty one is everything. Safe for concurrent use; one process owns a storage.
 *
 * "In order" is the order of the keys' bytes, slashes included: `a-b/x` comes before `a/x`.
 */
export interface Storage extends AsyncDisposable {
  stat(op: Op, key: string): Promise<ObjectStat | undefined>
  /** Throws kind `not-found`, before anything is read. */
  read(op: Op, key: string, range?: ByteRange): Promise<Readable>
  /** A small object, whole; when it resolves it is durable. Readers see the old one or the new one. */
  write(op: Op, key: string, data: Uint8Array): Promise<void>
  /**
   * A local file becomes the object: verified, on the disk, and in the spool's file system. The file is consumed when it succeeds.
   * Durable when it resolves. An equal object being there already is success.
   */
  place(op: Op, key: string, file: string, size: number): Promise<void>
  /** All objects below the prefix, in order. What comes or goes meanwhile may be there or not. */
  list(op: Op, prefix: string): AsyncIterable<ObjectEntry>
  /**
   * Names right below the prefix, in order, those after `after`. A name that has objects below it is sorted, and compared with
   * `after`, as if both had a slash at their end.
   */
  children(op: Op, prefix: string, after?: string): AsyncIterable<string>
  /** Absent is success. A power failure may undo it. */
  remove(op: Op, key: string): Promise<void>
}

export interface ObjectStat {
  readonly size: number
  readonly modified: Date
}

export interface ObjectEntry extends ObjectStat {
  readonly key: string
}

/** First and last byte, both inclusive. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

const segment = /^[A-Za-z0-9._-]{1,255}$/

/** Refuses what layout.ts would never make: the last guard before a key becomes a path or a URL. */
export function assertKey(key: string): void {
  for (const part of key.split('/'))
    if (!segment.test(part) || part === '.' || part === '..')
      throw new Error(`not a key of the storage: ${JSON.stringify(key.slice(0, 600))}`)
}
