/** Contexts as archives in docker's shape: `meta.json` and `tls/docker/{ca,cert,key}.pem`. */
import type { Readable } from 'node:stream'
import { extract } from 'tar-stream'
import { messageOf } from '../lib/errors.ts'
import { ExitError } from './command.ts'
import { metadataOf, tlsFiles, type StoredContext, type TlsFile } from './context-store.ts'
import { addEntry, packTar } from './tar/pack-tar.ts'
import { entriesOf } from './tar/tar-entries.ts'

/** Docker's limit. */
const maxArchive = 10 << 20
/** Docker: without times, so that the same context gives the same bytes. */
const mtime = new Date(0)

export function packContext(context: StoredContext): Readable {
  return packTar(async (archive) => {
    const files = tlsFiles.flatMap((file) => {
      const text = context.tls[file]
      return text === undefined ? [] : [[file, text] as const]
    })
    await addEntry(archive, { name: 'meta.json', mode: 0o644, mtime }, JSON.stringify(metadataOf(context)))
    await addEntry(archive, { name: 'tls', type: 'directory', mode: 0o700, mtime })
    if (files.length > 0)
      await addEntry(archive, { name: 'tls/docker', type: 'directory', mode: 0o700, mtime })
    for (const [file, text] of files)
      await addEntry(archive, { name: `tls/docker/${file}.pem`, mode: 0o600, mtime }, text)
  })
}

/** The context of an archive, which is not trusted, under another name. What a context of ours does not hold is refused by name. */
export async function unpackContext(source: AsyncIterable<Buffer>, name: string): Promise<StoredContext> {
  const bytes = await readAll(source)
  if (bytes.subarray(0, 4).equals(Buffer.from('PK\x03\x04')))
    throw new ExitError(
      1,
      'zip archives of contexts are not supported: unzip it, and pack its files with tar',
    )
  const parser = extract()
  // Docker's own end with their last byte, not with the block.
  parser.end(Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]))
  let meta: string | undefined
  const tls: Partial<Record<TlsFile, string>> = {}
  try {
    for await (const entry of entriesOf(parser)) {
      const { name: path, type } = entry.header
      const parts: Buffer[] = []
      for await (const part of entry) parts.push(part)
      const place = path.replace(/\/+$/, '')
      if (type === 'directory' && (place === 'tls' || place === 'tls/docker')) continue
      const file = tlsFiles.find((known) => path === `tls/docker/${known}.pem`)
      const isFile = type === 'file' || type === 'contiguous-file'
      if (!isFile || (path !== 'meta.json' && file === undefined))
        throw new ExitError(1, `${path}: unexpected context file`)
      const text = Buffer.concat(parts).toString()
      if (text.includes('\0')) throw new ExitError(1, `the context is cut short: ${path} is not complete`)
      if (file === undefined) meta = text
      else tls[file] = text
    }
  } catch (error) {
    if (error instanceof ExitError) throw error
    throw new ExitError(1, `the context is no tar archive: ${messageOf(error)}`)
  }
  if (meta === undefined) throw new ExitError(1, 'invalid context: no metadata found')
  return { ...contextOf(meta), name, tls }
}

function contextOf(meta: string): Omit<StoredContext, 'name' | 'tls'> {
  let value: unknown
  try {
    value = JSON.parse(meta)
  } catch (error) {
    throw new ExitError(1, `invalid context: meta.json: ${messageOf(error)}`)
  }
  const endpoint = field(field(value, 'Endpoints'), 'docker')
  const host = field(endpoint, 'Host')
  if (typeof host !== 'string') throw new ExitError(1, 'invalid context: meta.json has no docker endpoint')
  const description = field(field(value, 'Metadata'), 'Description')
  return {
    host,
    description: typeof description === 'string' ? description : '',
    skipTlsVerify: field(endpoint, 'SkipTLSVerify') === true,
  }
}

const field = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined

async function readAll(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of source) {
    length += part.length
    if (length > maxArchive) throw new ExitError(1, 'the context is larger than 10 MiB')
    parts.push(part)
  }
  return Buffer.concat(parts)
}
