import { closeSync, openSync, readSync } from 'node:fs'
import { Gzip } from '../host/gzip.ts'
import { RootDir } from '../host/root-dir.ts'
import { Zstd } from '../host/zstd.ts'
import { decompressor, type Decompressor } from './decompressor.ts'
import type { Jobs, Packed } from './jobs.ts'
import { tarOf } from './tar-writer.ts'

const stepSize = 1 << 20

/** A layer's archive on its way into compressed pieces: see the job `pack`. */
export class Packing implements Disposable {
  readonly #stage: Gzip | Zstd
  readonly #source: Iterator<Buffer, unknown> & Disposable
  /** Bytes of the uncompressed archive. */
  #read = 0

  constructor({ from, form }: Jobs['pack']['in'], send: (chunk: Buffer, read: number) => void) {
    this.#source = 'dir' in from ? archiveOf(from.dir) : contentOf(from.file)
    this.#stage = stageOf(form, (chunk) => send(chunk, this.#read))
  }

  /** A little of the work; true when that was the last of it. */
  step(): boolean {
    for (let done = 0; done < stepSize;) {
      const next = this.#source.next()
      if (next.done === true) {
        this.#stage.end()
        return true
      }
      this.#read += next.value.length
      done += next.value.length
      this.#stage.write(next.value)
    }
    return false
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]()
    this.#stage[Symbol.dispose]()
  }
}

function stageOf({ compression, level }: Packed, send: (chunk: Buffer) => void): Gzip | Zstd {
  return compression === 'gzip' ? new Gzip({ level, send }) : new Zstd({ level, send })
}

function* archiveOf(dir: string): Generator<Buffer> {
  using root = RootDir.open(dir, { symlinks: false, cache: true })
  yield* tarOf(root, { form: 'layer', reuse: true })
}

/** What is in a stored archive, compressed or not. Each piece is used up before the next. */
function* contentOf(file: string): Generator<Buffer> {
  const fd = openSync(file, 'r')
  let stage: Decompressor | undefined
  try {
    const input = Buffer.allocUnsafeSlow(1 << 16)
    const plain: Buffer[] = []
    for (let position = 0; ;) {
      const length = readSync(fd, input, 0, input.length, position)
      if (length === 0) break
      const piece = input.subarray(0, length)
      if (position === 0) stage = decompressor(piece, (out) => plain.push(Buffer.from(out)))
      position += length
      stage?.write(piece)
      yield* stage ? plain.splice(0) : [piece]
    }
    stage?.end()
    yield* plain.splice(0)
  } finally {
    stage?.[Symbol.dispose]()
    closeSync(fd)
  }
}
