/** Lines of several containers, each behind its container's name, in docker compose's look. */
import { OutputQueue } from '../output-queue.ts'

/** Docker compose's, in its order. */
const colours = ['36', '33', '32', '35', '34', '96;1', '93;1', '92;1', '95;1', '94;1']

/** Letters. */
const largePiece = 1 << 16

export interface LogPrinterOptions {
  readonly colour: boolean
  readonly prefix: boolean
  readonly timestamps: boolean
}

export class LogPrinter {
  readonly #o: LogPrinterOptions
  readonly #queue = new OutputQueue()
  readonly #colours = new Map<string, string>()
  readonly #prefixes = new Map<string, string>()
  #width = 0
  /** Lines that are on their way to the queue: one large piece is cheaper than many small ones. */
  readonly #pending = { 1: '', 2: '' }
  #scheduled = false

  constructor(o: LogPrinterOptions) {
    this.#o = o
  }

  /** Names that will come: prefixes are as wide as the longest of them. */
  register(names: Iterable<string>): void {
    for (const name of names) {
      if (this.#colours.has(name)) continue
      this.#colours.set(name, colours[this.#colours.size % colours.length] ?? '')
      this.#width = Math.max(this.#width, name.length + 1)
    }
    this.#prefixes.clear()
  }

  /** False when the source should wait for `drained()`. */
  line(
    name: string,
    { time, text }: { readonly time: string; readonly text: string },
    fd: 1 | 2 = 1,
  ): boolean {
    const stamp = this.#o.timestamps && time !== '' ? `${time} ` : ''
    return this.#write(fd, `${this.#prefix(name)}${stamp}${text}\n`)
  }

  /** What happened to a container: `exited with code 0`. */
  status(name: string, text: string): boolean {
    const line = `${name} ${text}`
    return this.#write(1, `${this.#o.colour ? this.#coloured(name, line) : line}\n`)
  }

  async drained(): Promise<void> {
    await this.#queue.drained()
  }

  /** All of it is written. */
  async flushed(): Promise<void> {
    this.#flush()
    await this.#queue.flushed()
  }

  #write(fd: 1 | 2, text: string): boolean {
    // What the two streams say stays in order.
    if (this.#pending[fd === 1 ? 2 : 1] !== '') this.#flush()
    this.#pending[fd] += text
    if (this.#pending[fd].length >= largePiece) return this.#flush()
    if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.#flush())
    }
    return true
  }

  #flush(): boolean {
    this.#scheduled = false
    let more = true
    for (const fd of [1, 2] as const) {
      const text = this.#pending[fd]
      if (text === '') continue
      this.#pending[fd] = ''
      more = this.#queue.write(fd, Buffer.from(text))
    }
    return more
  }

  #prefix(name: string): string {
    if (!this.#o.prefix) return ''
    const known = this.#prefixes.get(name)
    if (known !== undefined) return known
    if (!this.#colours.has(name)) this.register([name])
    const plain = `${name.padEnd(this.#width)} | `
    const prefix = this.#o.colour ? this.#coloured(name, plain) : plain
    this.#prefixes.set(name, prefix)
    return prefix
  }

  #coloured(name: string, text: string): string {
    return `\x1b[${this.#colours.get(name) ?? ''}m${text}\x1b[0m`
  }
}
