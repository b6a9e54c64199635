import { Duplex } from 'node:stream'

/** A call whose messages are pieces of one stream of bytes each way. */
interface BytesCall {
  readonly messages: AsyncIterable<{ readonly data: Uint8Array }>
  send(message: { readonly data: Uint8Array }): Promise<void>
  /** No more from here. */
  end(): void
  cancel(): void
}

export function byteStream(call: BytesCall): Duplex {
  let wanted = Promise.withResolvers<void>()
  const pump = async () => {
    for await (const { data } of call.messages) {
      if (data.length === 0) continue
      // What messages hold may be used again when the next one is read.
      if (stream.push(Buffer.from(data))) continue
      await wanted.promise
      wanted = Promise.withResolvers<void>()
    }
    stream.push(null)
  }
  const stream = new Duplex({
    read: () => wanted.resolve(),
    write: (data: Buffer, _encoding, done) => {
      call.send({ data }).then(() => done(), done)
    },
    final: (done) => {
      call.end()
      done()
    },
    destroy: (error, done) => {
      call.cancel()
      wanted.resolve()
      done(error)
    },
  })
  pump().catch((error: unknown) =>
    stream.destroy(error instanceof Error ? error : new Error('the call failed', { cause: error })),
  )
  return stream
}
