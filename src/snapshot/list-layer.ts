import { closeSync, constants, readSync } from 'node:fs'
import type { FileKind, RootDir } from '../host/root-dir.ts'
import { bytesOf } from './tar-header.ts'

/** One thing that a layer says about its paths. */
export interface LayerEntry {
  /** Relative to the root, one character a byte: names need not be UTF-8. `bytesOf` gives the bytes. */
  readonly path: string
  /** `whiteout`: what the layers below have of that name is gone. */
  readonly kind: FileKind | 'whiteout'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** Seconds of the modification time. */
  readonly mtime: number
  /** Target of a symlink, one character a byte. */
  readonly link?: string
  /** Of a file with several names: equal for all of them within the layer. */
  readonly identity?: string
  /** A directory through which nothing of the layers below shows. */
  readonly opaque?: true
}

/** All that a layer's directory holds in overlayfs form, parents before children, names in byte order. */
export function listLayer(root: RootDir, check: () => void): LayerEntry[] {
  const entries: LayerEntry[] = []
  const visit = (directory: string): void => {
    check()
    for (const bytes of root.listBytes(bytesOf(directory || '.'))) {
      const name = bytes.toString('latin1')
      const path = directory === '' ? name : `${directory}/${name}`
      const entry = entryOf(root, path)
      if (!entry) continue
      entries.push(entry)
      if (entry.kind === 'directory') visit(path)
    }
  }
  visit('')
  return entries
}

function entryOf(root: RootDir, path: string): LayerEntry | undefined {
  const bytes = bytesOf(path)
  const stat = root.tryLstat(bytes)
  if (!stat) return undefined
  const { mode, uid, gid, mtimeSec: mtime } = stat
  const common = { path, kind: stat.kind, mode, uid, gid, size: 0, mtime }
  switch (stat.kind) {
    case 'file':
      return { ...common, size: stat.size, ...(stat.nlink > 1 && { identity: stat.identity }) }
    case 'symlink':
      return { ...common, mode: 0o777, link: root.readlink(bytes).toString('latin1') }
    case 'directory': {
      const opaque = root.getXattr(bytes, 'trusted.overlay.opaque')?.toString() === 'y'
      return { ...common, ...(opaque && { opaque }) }
    }
    case 'char':
      if (stat.rdevMajor === 0 && stat.rdevMinor === 0) return { ...common, kind: 'whiteout' }
      return common
    case 'block':
    case 'fifo':
    case 'socket':
      return common
  }
}

/** Two files of equal length, each in a layer's directory. */
export interface FilePair {
  readonly a: { readonly dir: string; readonly path: string }
  readonly b: { readonly dir: string; readonly path: string }
}

const chunkSize = 1 << 18

/** Whether the files of each pair have the same bytes. */
export function compareFiles(
  pairs: readonly FilePair[],
  open: (dir: string) => RootDir,
  check: () => void,
): boolean[] {
  const left = Buffer.allocUnsafe(chunkSize)
  const right = Buffer.allocUnsafe(chunkSize)
  return pairs.map(({ a, b }) => {
    check()
    const one = open(a.dir).openFile(bytesOf(a.path), readFlags)
    try {
      const other = open(b.dir).openFile(bytesOf(b.path), readFlags)
      try {
        return sameBytes(one, other, { left, right, check })
      } finally {
        closeSync(other)
      }
    } finally {
      closeSync(one)
    }
  })
}

const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

function sameBytes(
  one: number,
  other: number,
  o: { left: Buffer; right: Buffer; check: () => void },
): boolean {
  for (;;) {
    o.check()
    const length = readSync(one, o.left)
    let filled = 0
    while (filled < length) {
      const more = readSync(other, o.right, filled, length - filled, null)
      if (more === 0) return false
      filled += more
    }
    if (length === 0) return readSync(other, o.right) === 0
    if (Buffer.compare(o.left.subarray(0, length), o.right.subarray(0, length)) !== 0) return false
  }
}
