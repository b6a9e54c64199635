import { hasCode } from '../lib/errors.ts'
import type { FileStat, RootDir } from '../host/root-dir.ts'
import { bytesOf } from './tar-header.ts'

export interface Change {
  /** Absolute in the container. */
  readonly path: string
  readonly kind: 'added' | 'modified' | 'deleted'
}

const isWhiteout = (stat: FileStat) => stat.kind === 'char' && stat.rdevMajor === 0 && stat.rdevMinor === 0
const below = (path: string, name: string) => (path === '' ? name : `${path}/${name}`)

/** What an upper directory changes of the tree below it. A directory counts as modified when something in it does. */
export function changesOf(upper: RootDir, lower: RootDir): Change[] {
  const changes: Change[] = []
  const add = (path: string, kind: Change['kind']) =>
    changes.push({ path: `/${bytesOf(path).toString()}`, kind })
  const inLower = (path: string) => {
    try {
      return lower.tryLstat(bytesOf(path))
    } catch (error) {
      // A component that is a symlink below and a directory above: nothing of that name below.
      if (hasCode(error, 'ELOOP')) return undefined
      throw error
    }
  }
  const visit = (path: string): void => {
    const names = upper.listBytes(bytesOf(path)).map((name) => name.toString('latin1'))
    const before = inLower(path)
    if (
      path !== '' &&
      before?.kind === 'directory' &&
      upper.getXattr(bytesOf(path), 'trusted.overlay.opaque')?.toString() === 'y'
    ) {
      const kept = new Set(names)
      for (const name of lower.listBytes(bytesOf(path)))
        if (!kept.has(name.toString('latin1'))) add(below(path, name.toString('latin1')), 'deleted')
    }
    for (const name of names) {
      const full = below(path, name)
      const stat = upper.tryLstat(bytesOf(full))
      if (!stat) continue
      if (isWhiteout(stat)) {
        add(full, 'deleted')
        continue
      }
      add(full, inLower(full) ? 'modified' : 'added')
      if (stat.kind === 'directory') visit(full)
    }
  }
  visit('')
  return changes
}

/** Bytes of the files in a tree, hard links counted once. */
export function usageOf(root: RootDir): number {
  const seen = new Set<string>()
  let size = 0
  const visit = (path: string): void => {
    for (const bytes of root.listBytes(bytesOf(path))) {
      const full = below(path, bytes.toString('latin1'))
      const stat = root.tryLstat(bytesOf(full))
      if (!stat) continue
      if (stat.kind === 'directory') visit(full)
      if (stat.kind !== 'file') continue
      if (stat.nlink > 1) {
        if (seen.has(stat.identity)) continue
        seen.add(stat.identity)
      }
      size += stat.size
    }
  }
  visit('')
  return size
}
