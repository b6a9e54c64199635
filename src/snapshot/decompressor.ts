import { compressionOf } from '../host/decompress.ts'
import { Gunzip } from '../host/gunzip.ts'
import { Unzstd } from '../host/unzstd.ts'
import { EngineError } from '../lib/errors.ts'

/** Takes compressed bytes and hands on what was in them, within the call. */
export interface Decompressor extends Disposable {
  /** Throws kind `invalid` for damaged data, or what the reader threw. */
  write(data: Buffer): void
  /** Throws kind `invalid` when the data was cut off. */
  end(): void
}

/**
 * For a stream that begins with these bytes; undefined when it is not compressed. Registries know gzip and zstd. The reader has
 * each piece until it returns.
 */
export function decompressor(head: Buffer, read: (plain: Buffer) => void): Decompressor | undefined {
  const kind = compressionOf(head)
  switch (kind) {
    case 'none':
      return undefined
    case 'gzip':
      return new Gunzip(read)
    case 'zstd':
      return new Unzstd(read)
    case 'bzip2':
    case 'xz':
      throw new EngineError('unsupported', `a layer is compressed with ${kind}: gzip and zstd are understood`)
  }
}
