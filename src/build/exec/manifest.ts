import { posix } from 'node:path'
import { digestOf, type Digest } from '../../lib/digest.ts'
import { IgnoreMatcher, type IgnorePattern } from '../../lib/ignore.ts'
import type { Entry, Scan, SourceMatch } from '../context/scan.ts'

/** One source of a COPY: a path and what is at and below it. */
export interface Selection {
  /** Relative to the source tree; `.` is all of it. */
  readonly path: string
  /** What a file is called where it is copied to: a link that leads to it gives its own name. */
  readonly name: string
  readonly root: Entry
  /** Below the root, paths relative to it. */
  readonly below: readonly Entry[]
  /** Nothing below is left out. */
  readonly complete: boolean
}

export function select(scan: Scan, source: SourceMatch): Selection[] {
  return source.paths.flatMap((path, index) => {
    const name = source.names[index] ?? posix.basename(path)
    const prefix = path === '.' ? '' : `${path}/`
    const root = scan.entries[lowerBound(scan.entries, path)]
    if (root?.path !== path) return []
    const below = root.type === 'd' ? entriesBelow(scan.entries, prefix) : []
    return [{ path, name, root, below, complete: source.complete }]
  })
}

/** What is below a directory stands together: entries are in the order of their paths. */
function entriesBelow(entries: readonly Entry[], prefix: string): Entry[] {
  const below: Entry[] = []
  for (let i = lowerBound(entries, prefix); i < entries.length; i++) {
    const entry = entries[i]
    if (!entry?.path.startsWith(prefix)) break
    if (entry.path !== '.') below.push({ ...entry, path: entry.path.slice(prefix.length) })
  }
  return below
}

/** The first entry that is not before a path. */
function lowerBound(entries: readonly Entry[], path: string): number {
  let [low, high] = [0, entries.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((entries[middle]?.path ?? '') < path) low = middle + 1
    else high = middle
  }
  return low
}

/** What a pattern made by `below` took, as a part of its directory: the directories above each match come along. */
export function selectBelow(scan: Scan, source: SourceMatch): Selection[] {
  const { base } = source
  if (base === undefined || source.paths.length === 0) return []
  const prefix = base === '.' ? '' : `${base}/`
  const wanted = new Set(source.paths)
  const above = new Set(source.paths.flatMap((path) => ancestorsOf(path)))
  const taken = (entry: Entry) =>
    entry.path !== '.' &&
    entry.path.startsWith(prefix) &&
    (wanted.has(base) ||
      above.has(entry.path) ||
      wanted.has(entry.path) ||
      ancestorsOf(entry.path).some((path) => wanted.has(path)))
  const below = scan.entries
    .filter(taken)
    .map((entry) => ({ ...entry, path: entry.path.slice(prefix.length) }))
  // Its own attributes are not copied.
  const root: Entry = { path: base, type: 'd', mode: 0o755, uid: 0, gid: 0, content: '' }
  return [{ path: base, name: posix.basename(base), root, below, complete: false }]
}

/** Takes out what matches; a directory stays as long as something in it does. */
export function without(selections: readonly Selection[], patterns: readonly IgnorePattern[]): Selection[] {
  const matcher = new IgnoreMatcher(patterns)
  if (matcher.empty) return [...selections]
  return selections.flatMap((selection) => {
    const { root, below } = selection
    if (root.type !== 'd') return matcher.ignores(selection.name) ? [] : [selection]
    const kept = below.filter((entry) => !matcher.ignores(entry.path))
    if (kept.length === below.length) return [selection]
    const needed = new Set(kept.flatMap((entry) => [entry.path, ...ancestorsOf(entry.path)]))
    return [{ ...selection, below: below.filter((entry) => needed.has(entry.path)), complete: false }]
  })
}

function ancestorsOf(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}

/** Of the files in a directory that is copied, those that are hard links of each other: each with the first of its kind. */
export function hardLinks(below: readonly Entry[]): ReadonlyMap<Entry, string> {
  const files = Map.groupBy(
    below.filter(({ inode }) => inode !== undefined),
    ({ inode }) => inode,
  )
  const links = new Map<Entry, string>()
  for (const [first, ...others] of files.values())
    if (first && others.length > 0) for (const entry of [first, ...others]) links.set(entry, first.path)
  return links
}

/**
 * What a COPY takes: the digest is part of its cache key, the text is kept so that a later miss can name the file.
 * Owners count only where they are kept.
 */
export function manifestOf(
  selections: readonly Selection[],
  o: { owners: boolean },
): { text: string; digest: Digest } {
  const lines: string[] = []
  const shown: string[] = []
  const line = (path: string, e: Entry, link?: string) => {
    const owner = o.owners ? `${e.uid}:${e.gid}` : '-'
    const fields = [path, e.type, e.mode.toString(8), owner, e.content]
    const text = JSON.stringify(link === undefined ? fields : [...fields, link])
    lines.push(text)
    shown.push(text)
  }
  for (const { path, name, root, below } of selections) {
    // Where it was is no part of what is copied, but what people want to read.
    shown.push(JSON.stringify({ from: path }))
    // A directory's own name does not matter: only what is in it is copied.
    line(root.type === 'd' ? '.' : name, root)
    const links = hardLinks(below)
    for (const entry of below) line(entry.path, entry, links.get(entry))
  }
  return { text: shown.join('\n'), digest: digestOf(lines.join('\n')) }
}
