/** DNS over TCP: each message after its length (RFC 1035 4.2.2). */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** Parts a stream into its messages. */
export class StreamMessages {
  readonly #each: (message: Buffer) => void
  #rest: Buffer = Buffer.alloc(0)

  constructor(each: (message: Buffer) => void) {
    this.#each = each
  }

  add(data: Buffer): void {
    let rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data])
    while (rest.length >= 2) {
      const end = 2 + rest.readUInt16BE(0)
      if (rest.length < end) break
      this.#each(rest.subarray(2, end))
      rest = rest.subarray(end)
    }
    this.#rest = rest
  }
}
