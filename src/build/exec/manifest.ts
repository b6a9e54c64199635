import { digestOf, type Digest } from '../../lib/digest.ts'
import type { Entry, Scan, SourceMatch } from '../context/scan.ts'

/** One source of a COPY: a path and what is at and below it. */
export interface Selection {
  /** Relative to the source tree; `.` is all of it. */
  readonly path: string
  readonly root: Entry
  /** Below the root, paths relative to it. */
  readonly below: readonly Entry[]
  /** Nothing below is left out. */
  readonly complete: boolean
}

export function select(scan: Scan, source: SourceMatch): Selection[] {
  return source.paths.flatMap((path) => {
    const prefix = path === '.' ? '' : `${path}/`
    let root: Entry | undefined
    const below: Entry[] = []
    for (const entry of scan.entries)
      if (entry.path === path) root = entry
      else if (entry.path.startsWith(prefix) && entry.path !== '.')
        below.push({ ...entry, path: entry.path.slice(prefix.length) })
    return root ? [{ path, root, below: root.type === 'd' ? below : [], complete: source.complete }] : []
  })
}

/**
 * What a COPY takes, as text and digest: part of its cache key, and kept so that a later miss can name the file.
 * Owners count only where they are kept.
 */
export function manifestOf(
  selections: readonly Selection[],
  o: { owners: boolean },
): { text: string; digest: Digest } {
  const lines: string[] = []
  const line = (path: string, e: Entry) => {
    const owner = o.owners ? `${e.uid}:${e.gid}` : '-'
    lines.push(JSON.stringify([path, e.type, e.mode.toString(8), owner, e.content]))
  }
  for (const { path, root, below } of selections) {
    // A directory's own name does not matter: only what is in it is copied.
    line(root.type === 'd' ? '.' : (path.split('/').at(-1) ?? ''), root)
    for (const entry of below) line(entry.path, entry)
  }
  const text = lines.join('\n')
  return { text, digest: digestOf(text) }
}
