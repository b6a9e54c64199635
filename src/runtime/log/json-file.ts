import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { CopyFile } from './copy-state.ts'
import type { Receiver } from './receiver.ts'
import { dropSurplus, shiftFiles } from './files.ts'
import { recordsOf } from './records.ts'
import type { LogCopy } from './setup.ts'

type JsonFileCopy = Extract<LogCopy, { kind: 'json-file' }>

/** Docker's `<id>-json.log`: one object a line, `log` with its newline, `stream`, `attrs` where there are some, `time`. */
export class JsonFile implements Receiver {
  readonly #o: JsonFileCopy
  readonly #attributes: string
  #fd: number
  #inode = 0
  #size = 0

  /** What an earlier daemon wrote and did not live to note comes once more: it is cut off. */
  constructor(o: JsonFileCopy, noted: CopyFile | undefined) {
    this.#o = o
    const names = Object.keys(o.attributes).toSorted()
    const attributes = Object.fromEntries(names.map((name) => [name, o.attributes[name]]))
    this.#attributes = names.length === 0 ? '' : `,"attrs":${JSON.stringify(attributes)}`
    this.#fd = this.#open()
    const written = noted?.inode === this.#inode ? noted.written : 0
    if (this.#size > written) {
      ftruncateSync(this.#fd, written)
      this.#size = written
    }
  }

  get file(): CopyFile {
    return { inode: this.#inode, written: this.#size }
  }

  /** One file at most a call, so that what a file holds can be noted before the next one is begun. */
  write(data: Buffer): Promise<number> {
    if (this.#size >= this.#o.maxSize) this.#rotate()
    let text = ''
    let length = 0
    let taken = 0
    for (const { stream, time, text: line, whole, end } of recordsOf(data)) {
      const log = JSON.stringify(whole ? `${line.toString()}\n` : line.toString())
      const object = `{"log":${log},"stream":"${stream === 1 ? 'stdout' : 'stderr'}"${this.#attributes},"time":"${time}"}\n`
      text += object
      length += Buffer.byteLength(object)
      taken = end
      if (this.#size + length >= this.#o.maxSize) break
    }
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at)
    this.#size += bytes.length
    // A block without a record is no use to anybody.
    return Promise.resolve(taken === 0 ? data.length : taken)
  }

  close(): void {
    closeSync(this.#fd)
  }

  #rotate(): void {
    closeSync(this.#fd)
    shiftFiles(this.#o.path)
    this.#fd = this.#open()
    dropSurplus(this.#o.path, { maxFiles: this.#o.maxFiles, readFrom: undefined })
  }

  #open(): number {
    const fd = openSync(this.#o.path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o640)
    const { ino, size } = fstatSync(fd)
    this.#inode = ino
    this.#size = size
    return fd
  }
}
