import type { Readable } from 'node:stream'
import { TarParser } from './tar-parser.ts'
import type { TarEntry } from './tar-header.ts'

type Event = { type: 'entry'; entry: TarEntry } | { type: 'data'; chunk: Buffer } | { type: 'end' }

/**
 * The entries of an uncompressed tar stream, one after the other, on this thread: for archives that are looked into
 * rather than unpacked. What is not read of a body is skipped. Throws kind `invalid` or `unsupported`.
 */
export async function* readTar(
  source: Readable,
): AsyncGenerator<{ entry: TarEntry; body: AsyncIterable<Buffer> }> {
  const events = tarEvents(source)
  try {
    for (;;) {
      const next = await events.next()
      if (next.done) return
      if (next.value.type !== 'entry') continue
      yield { entry: next.value.entry, body: bodyOf(events) }
    }
  } finally {
    await events.return(undefined)
  }
}

async function* bodyOf(events: AsyncGenerator<Event>): AsyncGenerator<Buffer> {
  for (;;) {
    const next = await events.next()
    if (next.done || next.value.type !== 'data') return
    yield next.value.chunk
  }
}

async function* tarEvents(source: Readable): AsyncGenerator<Event> {
  const queue: Event[] = []
  const parser = new TarParser({
    entry: (entry) => queue.push({ type: 'entry', entry }),
    data: (chunk) => queue.push({ type: 'data', chunk }),
    endEntry: () => queue.push({ type: 'end' }),
  })
  for await (const chunk of source as AsyncIterable<Buffer>) {
    parser.push(chunk)
    yield* queue.splice(0)
  }
  parser.end()
}
