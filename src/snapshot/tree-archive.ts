import { Readable } from 'node:stream'
import { decompress, peek } from '../host/decompress.ts'
import { RootDir } from '../host/root-dir.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { blockSize, encodeHeader, parseHeader } from './tar-header.ts'

/** The tar archive in a file that may be compressed; undefined when there is none, damaged beginnings included. */
export async function tarIn(op: Op, file: Readable): Promise<Readable | undefined> {
  try {
    const { head, whole } = await peek(await decompress(op, file), blockSize)
    if (head.length === blockSize && parseHeader(head)) return whole
    whole.destroy()
    return undefined
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'invalid') return undefined
    throw error
  }
}

/** An archive of a directory's files with the directory's own attributes before them (`./`). */
export function withOwnEntry(dir: string, files: Readable): Readable {
  using root = RootDir.open(dir)
  const { mode, uid, gid, mtimeSec, mtimeNsec } = root.stat('.')
  const head = encodeHeader({
    name: '.',
    type: 'directory',
    mode,
    uid,
    gid,
    size: 0,
    mtime: { sec: mtimeSec, nsec: mtimeNsec },
    linkName: '',
    major: 0,
    minor: 0,
    xattrs: new Map(),
  })
  return Readable.from(
    (async function* () {
      yield head
      yield* files
    })(),
    { objectMode: false },
  )
}
