import { open, type FileHandle } from 'node:fs/promises'
import { hasCode } from '../../lib/errors.ts'
import { logFiles } from './files.ts'

/** A place in a log: the file, whatever its name is now, and the offset in it. */
export interface LogPlace {
  readonly inode: number
  readonly offset: number
}

const blockSize = 256 * 1024
const newline = 0x0a

/**
 * Reads a log record by record while it is written and rotated: from its place to the end of each file, then on with the next
 * newer one. A file that is gone is passed over.
 */
export class LogCursor implements AsyncDisposable {
  readonly #path: string
  readonly #block = Buffer.allocUnsafe(blockSize)
  #file: FileHandle | undefined
  #inode = 0
  #offset = 0
  /** An incomplete record at the end of what was read so far. */
  #rest = Buffer.alloc(0)

  /** Without a place: from the oldest file that is there. */
  constructor(path: string, place?: LogPlace) {
    this.#path = path
    if (place) {
      this.#inode = place.inode
      this.#offset = place.offset
    }
  }

  /** After the last record that `read()` returned. */
  get place(): LogPlace {
    return { inode: this.#inode, offset: this.#offset - this.#rest.length }
  }

  /** Whole records, as many as there are up to a block; undefined when there is nothing more for the moment. */
  async read(): Promise<Buffer | undefined> {
    for (;;) {
      if (!this.#file && !(await this.#openFirst())) return undefined
      let data = await this.#readOn()
      if (data.length === 0) {
        const successor = await this.#successor()
        if (!successor) return undefined
        // What was written between the two looks, before the writer turned to the next file.
        data = await this.#readOn()
        if (data.length === 0) {
          await this.#turnTo(successor)
          continue
        }
      }
      const end = data.lastIndexOf(newline) + 1
      this.#rest = Buffer.from(data.subarray(end))
      if (end > 0) return data.subarray(0, end)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  /** What comes after the rest that is held, with it in front; empty at the end of the file. */
  async #readOn(): Promise<Buffer> {
    const { bytesRead = 0 } = (await this.#file?.read(this.#block, 0, blockSize, this.#offset)) ?? {}
    if (bytesRead === 0) return Buffer.alloc(0)
    this.#offset += bytesRead
    const data = this.#block.subarray(0, bytesRead)
    return this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data])
  }

  async #openFirst(): Promise<boolean> {
    const files = await logFiles(this.#path)
    const known = files.find((file) => file.inode === this.#inode)
    const first = known ?? files[0]
    if (!first) return false
    return await this.#open(first.inode, { path: first.path, offset: known ? this.#offset : 0 })
  }

  async #successor(): Promise<{ path: string; inode: number } | undefined> {
    const files = await logFiles(this.#path)
    const index = files.findIndex((file) => file.inode === this.#inode)
    // Its own file is gone: all that are left are newer.
    return index < 0 ? files[0] : files[index + 1]
  }

  async #turnTo(file: { path: string; inode: number }): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
    // Half a record, of a writer that ran out of space: nothing will complete it.
    this.#rest = Buffer.alloc(0)
    await this.#open(file.inode, { path: file.path, offset: 0 })
  }

  /** False when it has got another name meanwhile: the next look finds it by its inode. */
  async #open(inode: number, o: { path: string; offset: number }): Promise<boolean> {
    this.#inode = inode
    this.#offset = o.offset
    let file: FileHandle
    try {
      file = await open(o.path, 'r')
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
    const { ino } = await file.stat()
    if (ino === inode) this.#file = file
    else await file.close()
    return true
  }
}
