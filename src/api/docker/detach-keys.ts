import { Transform, type TransformCallback } from 'node:stream'
import { EngineError } from '../../lib/errors.ts'

/** Docker's default: ctrl-p ctrl-q. */
const defaultKeys = Buffer.from([16, 17])

/** Decodes `ctrl-p,ctrl-q`, `a,ctrl-]`; empty means docker's default. Throws kind `invalid`. */
export function parseDetachKeys(text: string, called = 'detach'): Buffer {
  if (text === '') return defaultKeys
  const codes = text.split(',').map((key) => {
    if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0)
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1]
    if (control === undefined) throw new EngineError('invalid', `Invalid ${called} keys (${text}) provided`)
    return control.toUpperCase().charCodeAt(0) - 64
  })
  return Buffer.from(codes)
}

/** Passes a terminal's input on until the keys come in a row; then it calls back and passes nothing more. */
export class DetachFilter extends Transform {
  readonly #keys: Buffer
  readonly #onDetach: () => void
  #matched = 0
  #detached = false

  constructor(keys: Buffer, onDetach: () => void) {
    super()
    this.#keys = keys
    this.#onDetach = onDetach
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#detached) return done()
    const out: number[] = []
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++
        if (this.#matched < this.#keys.length) continue
        this.#detached = true
        done(null, Buffer.from(out))
        this.#onDetach()
        return
      }
      // What looked like the keys was typed for the program.
      out.push(...this.#keys.subarray(0, this.#matched))
      this.#matched = byte === this.#keys[0] ? 1 : 0
      if (this.#matched === 0) out.push(byte)
    }
    done(null, Buffer.from(out))
  }
}
