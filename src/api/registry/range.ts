import type { ByteRange } from '../../distribution/index.ts'

/**
 * A `Range` of bytes (RFC 9110, 14.1.2): `0-9`, `5-`, `-5`. Undefined for what a server may leave alone, and this one does: another unit,
 * several ranges, or none that can be read.
 */
export function parseRange(header: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header) ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}

/** The `Content-Range` of a chunk ("Pushing a blob in chunks"): `0-9`. Undefined when it is written in any other way. */
export function parseChunkRange(header: string): ByteRange | undefined {
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(header) ?? []
  if (first === undefined || last === undefined) return undefined
  return { start: Number(first), end: Number(last) }
}
