import type { RootDir } from '../host/root-dir.ts'
import { explain } from './entry-name.ts'
import type { TarEntry } from './tar-header.ts'
import type { TarSink } from './tar-parser.ts'
import { TreeWriter } from './tree-writer.ts'

/** An archive that becomes files below `dir`: which entries do, and how, is what kinds of sinks differ in. */
export abstract class TreeSink implements TarSink {
  protected readonly dir: RootDir
  protected readonly writer: TreeWriter
  #current = ''

  constructor(dir: RootDir) {
    this.dir = dir
    this.writer = new TreeWriter(dir)
  }

  /** Makes an entry, or throws kind `invalid` naming it. */
  protected abstract make(entry: TarEntry): void

  get size(): number {
    return this.writer.size
  }
  get skippedXattrs(): ReadonlySet<string> {
    return this.writer.skippedXattrs
  }

  entry(entry: TarEntry): void {
    this.#current = entry.name
    try {
      this.make(entry)
    } catch (error) {
      throw explain(entry.name, error)
    }
  }

  data(chunk: Buffer): void {
    this.writer.write(chunk)
  }

  endEntry(): void {
    try {
      this.writer.endFile()
    } catch (error) {
      throw explain(this.#current, error)
    }
  }

  finish(): void {
    this.writer.finish()
  }

  abandon(): void {
    this.writer.abandon()
  }
}
