import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { SyncEntry, SyncSource, SyncWants } from '../../build/index.ts'
import type { ClientCall, Metadata } from './grpc/client.ts'
import { FilesInMemory } from './files-in-memory.ts'
import { decode } from './grpc/server.ts'
import { asEngineError, GrpcError } from './grpc/status.ts'
import { kindOf, permissionsOf } from '../../wire/go-file-mode.ts'
import { Packet, PacketType, RawPacket, Stat, StatHead } from './proto/fsutil.ts'
import type { Of } from './proto/message.ts'
import type { Session } from './session.ts'

const diffCopy = '/moby.filesync.v1.FileSync/DiffCopy'

/** Files asked for at once. */
const window = 256

/** Whoever takes a tree: TreeSync, or memory for single files. */
export interface TreeReceiver {
  /** True: the content is wanted. */
  add(entry: SyncEntry, stamp: string): boolean
  /** True: it is as it was, and counts as added. Absent: nothing was before. */
  keep?(entry: Pick<SyncEntry, 'path' | 'kind' | 'size'>, stamp: string, read: () => SyncEntry): boolean
  write(path: string, data: Uint8Array): void
  complete(path: string): void
}

type PacketOf = Of<typeof RawPacket>

/** A directory that the client offers under a name. */
export function syncSource(session: Session, name: string): SyncSource {
  return {
    ...(session.sharedKey !== '' && { key: `${session.sharedKey}:${name}` }),
    fetch: (op, tree, wanted) => receiveTree(op, session, { name, tree, wanted }),
    readFile: async (op, path) => (await readFiles(op, session, { name, paths: [path] })).text(path),
  }
}

/** No Dockerfile and no ignore file written by people comes near it. */
const maxText = 16 << 20

/** Some files of a directory of the client, in memory. */
export async function readFiles(
  op: Op,
  session: Session,
  o: { name: string; paths: readonly string[] },
): Promise<FilesInMemory> {
  const tree = new FilesInMemory(maxText)
  await receiveTree(op, session, { name: o.name, tree, wanted: { paths: o.paths, excludes: [] } })
  return tree
}

/**
 * fsutil’s protocol, the receiving end: the client lists what it has, numbered by its place in the list; we ask for
 * contents by number while the list still comes; both sides say that they are done. Returns the bytes received.
 */
async function receiveTree(
  op: Op,
  session: Session,
  o: { name: string; tree: TreeReceiver; wanted: SyncWants },
): Promise<number> {
  if (!session.supports(diffCopy))
    throw new EngineError('invalid', `the client does not offer the directory ${JSON.stringify(o.name)}`)
  const call = session.client.open(op, diffCopy, {
    request: Packet,
    response: RawPacket,
    metadata: metadataOf(o.name, o.wanted),
  })
  try {
    return await new Receiver(op, call, o.tree).run()
  } catch (error) {
    call.cancel()
    op.signal.throwIfAborted()
    throw error instanceof GrpcError ? asEngineError(error, 'failed to read the build context') : error
  }
}

interface Question {
  readonly type: number
  readonly id?: number
}

class Receiver {
  readonly #op: Op
  readonly #call: ClientCall<Question, PacketOf>
  readonly #tree: TreeReceiver
  /** Wanted and not yet asked for; asked for and not yet here. */
  #queue: { id: number; path: string }[] = []
  #queued = 0
  readonly #asked = new Map<number, string>()
  #next = 0
  #listed = false
  #done = false
  #bytes = 0

  constructor(op: Op, call: ClientCall<Question, PacketOf>, tree: TreeReceiver) {
    this.#op = op
    this.#call = call
    this.#tree = tree
  }

  async run(): Promise<number> {
    for await (const packets of this.#call.batches) for (const packet of packets) this.#packet(packet)
    if (!this.#listed || this.#asked.size > 0)
      throw new EngineError('unavailable', 'the client stopped sending the build context')
    return this.#bytes
  }

  #packet(packet: PacketOf): void {
    switch (packet.type) {
      case PacketType.stat:
        if (packet.stat.length > 0) this.#stat(packet.stat)
        else this.#listed = true
        break
      case PacketType.data:
        this.#data(packet)
        break
      case PacketType.error:
        throw new EngineError(
          'invalid',
          `failed to read the build context: ${Buffer.from(packet.data).toString()}`,
        )
      case PacketType.fin:
        return this.#call.end()
      default:
        throw new EngineError('invalid', `unknown packet ${packet.type} of the client`)
    }
    this.#ask()
  }

  #stat(raw: Uint8Array): void {
    const id = this.#next++
    const { path, mode, size, linkname } = decode(StatHead, raw)
    const kind = kindOf(mode)
    // Docker: sockets and devices of a context are left out.
    if (kind === undefined) return
    const stamp = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('latin1')
    // Read again from the stamp: the bytes are gone by then.
    const read = () => entryOf(decode(Stat, Buffer.from(stamp, 'latin1')), kind)
    // A hard link is as it was only if the file is that it means.
    const alone = kind !== 'file' || linkname === ''
    if (alone && this.#tree.keep?.({ path, kind, size: Number(size) }, stamp, read)) return
    const entry = entryOf(decode(Stat, raw), kind)
    if (this.#tree.add(entry, stamp)) this.#queue.push({ id, path })
  }

  #data({ id, data }: PacketOf): void {
    const path = this.#asked.get(id)
    if (path === undefined)
      throw new EngineError('invalid', `the client sent file ${id}, which nobody asked for`)
    this.#bytes += data.length
    if (data.length > 0) return this.#tree.write(path, data)
    this.#tree.complete(path)
    this.#asked.delete(id)
  }

  /** Not awaited: the client reads questions only while we read its answers, and they are few and small. */
  #ask(): void {
    while (this.#asked.size < window) {
      const file = this.#queue[this.#queued]
      if (!file) break
      this.#queued++
      const { id, path } = file
      this.#asked.set(id, path)
      this.#say({ type: PacketType.request, id })
    }
    if (!this.#listed || this.#asked.size > 0 || this.#done) return
    this.#done = true
    this.#queue = []
    this.#say({ type: PacketType.fin })
  }

  #say(packet: Question): void {
    this.#call.send(packet).catch((error: unknown) => {
      this.#op.log.debug('a question to the client failed', { error })
      this.#call.cancel()
    })
  }
}

function entryOf(stat: Of<typeof Stat>, kind: SyncEntry['kind']): SyncEntry {
  return {
    path: stat.path,
    kind,
    mode: kind === 'symlink' ? 0o777 : permissionsOf(stat.mode),
    size: Number(stat.size),
    mtime: timeOf(stat.modTime),
    link: stat.linkname,
    xattrs: stat.xattrs,
  }
}

function timeOf(ns: bigint): SyncEntry['mtime'] {
  const nsec = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return { sec: Number((ns - nsec) / 1_000_000_000n), nsec: Number(nsec) }
}

function metadataOf(name: string, wanted: SyncWants): Metadata {
  return {
    ...encoded('dir-name', [name]),
    ...(wanted.excludes.length > 0 && encoded('exclude-patterns', wanted.excludes)),
    ...(wanted.paths && encoded('followpaths', wanted.paths)),
  }
}

/** BuildKit: headers hold ASCII alone; where one value has more, all are escaped and a second header says so. */
function encoded(key: string, values: readonly string[]): Record<string, readonly string[]> {
  if (values.every((value) => /^[\x20-\x7e]*$/.test(value))) return { [key]: values }
  const escaped = values.map((value) => encodeURIComponent(value).replaceAll('%20', '+'))
  return { [key]: escaped, [`${key}-encoded`]: ['1'] }
}
