import { Readable } from 'node:stream'
import { pack, type Header, type Pack } from 'tar-stream'

const { open } = process.getBuiltinModule('node:fs/promises')
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

/** A file that has become shorter than its header fails the archive, unless it may be filled up with zeros (as GNU tar does). */
export async function addFile(
  archive: Pack,
  header: NewEntry & { readonly size: number },
  path: string,
  o: { readonly fill?: boolean } = {},
): Promise<void> {
  if (header.size === 0) return addEntry(archive, header)
  // Opened before anything is written: what cannot be read leaves no half an entry behind.
  await using file = await open(path)
  const entry = archive.entry(header)
  // A file that grows while it is read must not overflow its header.
  const content = file.createReadStream({ end: header.size - 1, highWaterMark: 1 << 20, autoClose: false })
  await (o.fill ? pipeline(content, filledUp(header.size), entry) : pipeline(content, entry))
}

function filledUp(size: number) {
  return async function* (content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let left = size
    for await (const chunk of content) {
      left -= chunk.length
      yield chunk
    }
    for (; left > 0; left -= zeros.length) yield zeros.subarray(0, left)
  }
}

const zeros = Buffer.alloc(1 << 16)
