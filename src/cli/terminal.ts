/** Our own terminal: raw mode, size, detach keys. Loaded only when a container has one. */
import { EngineError } from '../lib/errors.ts'

const { spawnSync } = process.getBuiltinModule('node:child_process')
const { isatty } = process.getBuiltinModule('node:tty')

/**
 * Puts the terminal of standard input into raw mode until disposed. Node's own raw mode leaves output processing on,
 * which breaks full-screen programs in a container; hence stty.
 */
export function rawMode(): Disposable {
  const stty = (...words: string[]) =>
    spawnSync('stty', words, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' })
  const saved = stty('-g')
  if (saved.status !== 0) {
    process.stdin.setRawMode(true)
    return { [Symbol.dispose]: () => void process.stdin.setRawMode(false) }
  }
  stty('raw', '-echo')
  let restored = false
  const restore = () => {
    if (restored) return
    restored = true
    stty(saved.stdout.trim())
  }
  process.on('exit', restore)
  return { [Symbol.dispose]: restore }
}

export interface Size {
  readonly rows: number
  readonly columns: number
}

/** Size of the terminal on standard output; undefined when it is none, or says 0. */
export function terminalSize(): Size | undefined {
  if (!process.stdout.isTTY) return undefined
  const [columns, rows] = process.stdout.getWindowSize()
  return rows > 0 && columns > 0 ? { rows, columns } : undefined
}

/** Docker refuses a terminal for a container whose input would not come from one. */
export function assertTerminalInput(o: { stdin: boolean; tty: boolean }): void {
  if (o.stdin && o.tty && !isatty(0)) throw new EngineError('invalid', 'the input device is not a TTY')
}

export const defaultDetachKeys = 'ctrl-p,ctrl-q'

/** Bytes of a key sequence: letters, or `ctrl-` with a-z @ [ \ ] ^ _, with commas between. Throws kind `invalid`. */
export function parseDetachKeys(text: string): Buffer {
  const bytes = text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1]
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f
    if (Buffer.byteLength(key) !== 1)
      throw new EngineError('invalid', `invalid detach keys (${text}) provided`)
    return key.charCodeAt(0)
  })
  return Buffer.from(bytes)
}

/** Watches typed bytes for the key sequence; bytes of a sequence that is not completed go on after all. */
export class DetachWatcher {
  readonly #keys: Buffer
  #matched = 0

  constructor(keys: Buffer) {
    this.#keys = keys
  }

  /** What goes to the container; `detached` when the sequence is complete. */
  push(data: Buffer): { forward: Buffer; detached: boolean } {
    const out: number[] = []
    for (const byte of data) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++
        if (this.#matched === this.#keys.length) return { forward: Buffer.from(out), detached: true }
        continue
      }
      for (const held of this.#keys.subarray(0, this.#matched)) out.push(held)
      this.#matched = byte === this.#keys[0] ? 1 : 0
      if (this.#matched === 0) out.push(byte)
    }
    return { forward: Buffer.from(out), detached: false }
  }
}
