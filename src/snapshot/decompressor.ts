import { createGunzip, createZstdDecompress } from 'node:zlib'
import { EngineError, messageOf } from '../lib/errors.ts'
import { compressionOf } from '../host/decompress.ts'

/** Takes compressed bytes and hands on what was in them. */
export interface Decompressor {
  /** Resolves when the bytes are used up. Rejects with kind `invalid` for damaged data, or what the reader threw. */
  write(data: Buffer): Promise<void>
  /** Resolves when the last byte has been handed on. */
  end(): Promise<void>
  close(): void
}

const chunkSize = 1 << 18

/** For a stream that begins with these bytes; undefined when it is not compressed. Registries know gzip and zstd. */
export function decompressor(head: Buffer, read: (plain: Buffer) => void): Decompressor | undefined {
  const kind = compressionOf(head)
  switch (kind) {
    case 'none':
      return undefined
    case 'gzip':
      return through(kind, createGunzip({ chunkSize }), read)
    case 'zstd':
      return through(kind, createZstdDecompress({ chunkSize }), read)
    case 'bzip2':
    case 'xz':
      throw new EngineError('unsupported', `a layer is compressed with ${kind}: gzip and zstd are understood`)
  }
}

function through(
  kind: string,
  stage: ReturnType<typeof createGunzip>,
  read: (plain: Buffer) => void,
): Decompressor {
  const failed = Promise.withResolvers<never>()
  // Raced with below; between two writes nobody waits.
  failed.promise.catch(() => undefined)
  let reading: { error: unknown } | undefined
  stage.on('data', (plain: Buffer) => {
    try {
      if (!reading) read(plain)
    } catch (error) {
      reading = { error }
      stage.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  })
  stage.on('error', (cause) => {
    const damaged = new EngineError('invalid', `the ${kind} data is damaged: ${messageOf(cause)}`, { cause })
    failed.reject(reading ? reading.error : damaged)
  })
  const race = (work: (done: () => void) => void) =>
    Promise.race([new Promise<void>((resolve) => work(resolve)), failed.promise])
  return {
    write: (data) => race((done) => stage.write(data, () => done())),
    end: () =>
      race((done) => {
        stage.once('end', done)
        stage.end()
      }),
    close: () => stage.destroy(),
  }
}
