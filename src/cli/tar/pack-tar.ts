import { Readable } from 'node:stream'
import { pack, type Header, type Pack } from 'tar-stream'

const { createReadStream } = process.getBuiltinModule('node:fs')
const { pipeline } = process.getBuiltinModule('node:stream/promises')

export type NewEntry = Partial<Header> & { readonly name: string }

/** The archive that `fill` writes while it is read; where `fill` fails, reading does. */
export function packTar(fill: (archive: Pack) => Promise<void>): Readable {
  const archive = pack()
  fill(archive).then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))),
  )
  // tar-stream's streams are not Node's own.
  return Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false })
}

export function addEntry(archive: Pack, header: NewEntry, content = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, content, (error) => (error ? reject(error) : resolve()))
  })
}

export async function addFile(
  archive: Pack,
  header: NewEntry & { readonly size: number },
  path: string,
): Promise<void> {
  if (header.size === 0) return addEntry(archive, header)
  const entry = archive.entry(header)
  // A file that grows while it is read must not overflow its header.
  await pipeline(createReadStream(path, { end: header.size - 1, highWaterMark: 1 << 20 }), entry)
}
