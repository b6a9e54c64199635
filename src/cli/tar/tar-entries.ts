import type { Extract, Header } from 'tar-stream'

const { closeSync, openSync, writeSync } = process.getBuiltinModule('node:fs')

/** One entry of an archive that is read; the next one comes when its bytes have been. */
export type TarEntry = AsyncIterable<Buffer> & { readonly header: Header }

export function entriesOf(parser: Extract): AsyncIterable<TarEntry> {
  // tar-stream's own type of an entry is that of its old streams.
  return parser as unknown as AsyncIterable<TarEntry>
}

/** Resolves as well when the parser is given up: the next write then says why. */
export function drained(parser: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      parser.off('drain', done)
      parser.off('close', done)
      resolve()
    }
    parser.on('drain', done)
    parser.on('close', done)
  })
}

export async function passOver(entry: TarEntry): Promise<void> {
  for await (const _ of entry);
}

/** A file that must not be there yet, for its owner alone. */
export async function saveFile(path: string, entry: TarEntry): Promise<void> {
  const fd = openSync(path, 'wx', 0o600)
  try {
    for await (const chunk of entry) for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at)
  } finally {
    closeSync(fd)
  }
}
