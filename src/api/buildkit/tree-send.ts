import { constants } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { extract, type Header } from 'tar-stream'
import type { SendTar } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { newId } from '../../lib/id.ts'
import type { Op } from '../../lib/op.ts'
import { deviceMode, fileMode } from '../../wire/go-file-mode.ts'
import type { Metadata } from './grpc/client.ts'
import { asEngineError, GrpcError } from './grpc/status.ts'
import { Packet, PacketType, type Stat } from './proto/fsutil.ts'
import type { Of } from './proto/message.ts'
import type { Session } from './session.ts'

const diffCopy = '/moby.filesync.v1.FileSend/DiffCopy'
const piece = 64 << 10

interface Item {
  readonly stat: Of<typeof Stat>
  /** Where its content is in the spool. */
  readonly start: number
}

/**
 * Sends the files of a tar in fsutil’s protocol: all are listed in order of path, and whatever the client asks for
 * follows. A tar has another order, so contents wait in a file in `spool` that has no name any more.
 */
export function treeSender(session: Session, o: { metadata: Metadata; spool: string }): SendTar {
  return async (op, tar) => {
    if (!session.supports(diffCopy)) throw new EngineError('invalid', 'the client does not take files')
    const path = join(o.spool, `export-${newId().slice(0, 12)}`)
    await using file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600)
    await unlink(path)
    const items = await spoolTar(op, tar, file)
    const call = session.client.open(op, diffCopy, {
      request: Packet,
      response: Packet,
      metadata: o.metadata,
    })
    try {
      // The client asks while the list still goes out.
      const listed = (async () => {
        for (const { stat } of items) await call.send({ type: PacketType.stat, stat })
        await call.send({ type: PacketType.stat })
      })()
      listed.catch(() => call.cancel())
      for await (const packet of call.messages) {
        if (packet.type === PacketType.error)
          throw new EngineError(
            'invalid',
            `failed to write the files: ${Buffer.from(packet.data).toString()}`,
          )
        if (packet.type === PacketType.fin) {
          await listed
          await call.send({ type: PacketType.fin })
          call.end()
        } else if (packet.type === PacketType.request) {
          const item = items[packet.id]
          if (!item)
            throw new EngineError('invalid', `the client asks for file ${packet.id}, which is not there`)
          for await (const data of contentOf(file, item))
            await call.send({ type: PacketType.data, id: packet.id, data })
          await call.send({ type: PacketType.data, id: packet.id })
        }
      }
      await listed
    } catch (error) {
      call.cancel()
      op.signal.throwIfAborted()
      throw error instanceof GrpcError ? asEngineError(error, 'failed to send the files') : error
    }
  }
}

async function* contentOf(file: FileHandle, item: Item): AsyncGenerator<Buffer, void, undefined> {
  const end = item.start + Number(item.stat.size)
  for (let at = item.start; at < end;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(piece, end - at)), {
      position: at,
    })
    if (bytesRead === 0) throw new EngineError('internal', 'the files that are sent came short')
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

type Entry = AsyncIterable<Buffer> & { readonly header: Header }

/** Contents go into the file; returns the entries in the order in which fsutil wants them. */
async function spoolTar(op: Op, tar: Readable, file: FileHandle): Promise<Item[]> {
  const items = new Map<string, Item>()
  const parser = extract()
  tar.on('error', (error) => parser.destroy(error))
  tar.pipe(parser)
  let at = 0
  // tar-stream's own type of an entry is that of its old streams.
  for await (const entry of parser as unknown as AsyncIterable<Entry>) {
    op.signal.throwIfAborted()
    const start = at
    for await (const chunk of entry) {
      await file.write(chunk, 0, chunk.length, at)
      at += chunk.length
    }
    const path = entry.header.name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '')
    const mode = modeOf(entry.header)
    if (path !== '' && path !== '.' && mode !== undefined)
      items.set(path, { start, stat: statOf(path, mode, entry.header) })
  }
  return [...items.values()].sort((a, b) => Buffer.compare(orderOf(a), orderOf(b)))
}

/** fsutil: a directory’s entries come right behind it, so `/` is less than any other character. */
function orderOf({ stat }: Item): Buffer {
  return Buffer.from(stat.path.replaceAll('/', '\0'))
}

function statOf(path: string, mode: number, header: Header): Of<typeof Stat> {
  const { pax } = header as { pax?: Record<string, string> }
  const isFile = header.type === 'file' || header.type === 'contiguous-file'
  return {
    path,
    mode,
    uid: header.uid ?? 0,
    gid: header.gid ?? 0,
    size: BigInt(isFile ? (header.size ?? 0) : 0),
    modTime: BigInt(header.mtime?.getTime() ?? 0) * 1_000_000n,
    linkname:
      header.type === 'link' ? (header.linkname ?? '').replace(/^(\.?\/)+/, '') : (header.linkname ?? ''),
    devmajor: BigInt(header.devmajor ?? 0),
    devminor: BigInt(header.devminor ?? 0),
    xattrs: xattrsOf(pax ?? {}),
  }
}

function modeOf({ type, mode }: Header): number | undefined {
  switch (type) {
    case 'file':
    case 'contiguous-file':
    case 'link':
      return fileMode('file', mode)
    case 'directory':
      return fileMode('directory', mode)
    case 'symlink':
      return fileMode('symlink', 0o777)
    case 'character-device':
    case 'block-device':
    case 'fifo':
      return deviceMode(type, mode)
    default:
      return undefined
  }
}

function xattrsOf(pax: Readonly<Record<string, string>>): Record<string, Uint8Array> {
  const prefix = 'SCHILY.xattr.'
  const named = Object.entries(pax).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(named.map(([name, value]) => [name.slice(prefix.length), Buffer.from(value)]))
}
