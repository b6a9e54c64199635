import { spawn } from 'node:child_process'
import { addAbortSignal, pipeline, Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'

export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz'

const signatures: readonly (readonly [Exclude<Compression, 'none'>, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
]

/** By the first bytes (six are enough), never by a name. */
export function compressionOf(head: Uint8Array): Compression {
  for (const [name, bytes] of signatures) if (bytes.every((byte, index) => head[index] === byte)) return name
  return 'none'
}

/** The first `size` bytes of a stream (fewer when it is shorter), and a stream that gives all of it. */
export async function peek(source: Readable, size: number): Promise<{ head: Buffer; whole: Readable }> {
  // The iterator reports it; until it runs, an early failure must not count as unhandled.
  source.on('error', () => {})
  const iterator = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  const first: Buffer[] = []
  let length = 0
  while (length < size) {
    const next = await iterator.next()
    if (next.done) break
    first.push(next.value)
    length += next.value.length
  }
  const whole = Readable.from(
    (async function* () {
      try {
        yield* first
        for (;;) {
          const next = await iterator.next()
          if (next.done) return
          yield next.value
        }
      } finally {
        source.destroy()
      }
    })(),
    { objectMode: false },
  )
  // Never started, the generator above would not run its `finally`.
  whole.once('close', () => source.destroy())
  return { head: Buffer.concat(first).subarray(0, size), whole }
}

/**
 * The content of a stream that may be compressed, recognized by its first bytes: gzip, zstd, bzip2, xz, or as it is.
 * An abort destroys the source. Damaged data ends the stream with kind `invalid`. bzip2 and xz need their program: `unsupported` without it.
 */
export async function decompress(op: Op, source: Readable): Promise<Readable> {
  addAbortSignal(op.signal, source)
  const { head, whole } = await peek(source, 6)
  const kind = compressionOf(head)
  switch (kind) {
    case 'none':
      return whole
    case 'gzip':
      return through(kind, whole, createGunzip({ chunkSize: 1 << 18 }))
    case 'zstd':
      return through(kind, whole, createZstdDecompress({ chunkSize: 1 << 18 }))
    case 'bzip2':
    case 'xz':
      return program(op, kind, whole)
  }
}

function through(kind: Compression, source: Readable, stage: ReturnType<typeof createGunzip>): Readable {
  let sourceError: Error | undefined
  source.on('error', (error) => (sourceError = error))
  pipeline(source, stage, () => {})
  return Readable.from(
    (async function* () {
      try {
        yield* stage as AsyncIterable<Buffer>
      } catch (cause) {
        if (sourceError) throw sourceError
        throw new EngineError('invalid', `the ${kind} data is damaged: ${messageOf(cause)}`, { cause })
      } finally {
        stage.destroy()
        source.destroy()
      }
    })(),
    { objectMode: false },
  )
}

async function program(op: Op, kind: 'bzip2' | 'xz', source: Readable): Promise<Readable> {
  const child = spawn(kind, ['-dc'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (data: Buffer) => (stderr = (stderr + data.toString()).slice(-500)))
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  // Awaited below; a failure to start may come first.
  exited.catch(() => {})
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', () => resolve())
      child.once('error', reject)
    })
  } catch (cause) {
    source.destroy()
    if (!hasCode(cause, 'ENOENT')) throw cause
    throw new EngineError(
      'unsupported',
      `${kind} is not installed: unpacking ${kind} archives needs it (package ${kind === 'xz' ? 'xz-utils' : kind})`,
      { cause },
    )
  }
  let sourceError: Error | undefined
  source.on('error', (error) => (sourceError = error))
  const onAbort = () => child.kill('SIGKILL')
  op.signal.addEventListener('abort', onAbort, { once: true })
  // Its own failure, or the reader's leaving, shows in the output's end and the exit code.
  pipeline(source, child.stdin, () => {})
  return Readable.from(
    (async function* () {
      try {
        yield* child.stdout as AsyncIterable<Buffer>
        const code = await exited
        if (sourceError) throw sourceError
        op.signal.throwIfAborted()
        if (code !== 0)
          throw new EngineError(
            'invalid',
            `the ${kind} data is damaged: ${stderr.trim().split('\n').at(-1) ?? ''}`,
          )
      } finally {
        op.signal.removeEventListener('abort', onAbort)
        child.kill('SIGKILL')
        source.destroy()
      }
    })(),
    { objectMode: false },
  )
}
