/** What COPY and bind mounts take, compared: manifests are lines of JSON (see `exec/manifest.ts`). */

interface FileEntry {
  readonly type: string
  readonly mode: string
  readonly owner: string
  readonly content: string
  /** The first of the files that are hard links of each other. */
  readonly link?: string
}

const kinds: Readonly<Record<string, string>> = { f: 'file', d: 'directory', l: 'link' }

/** The changes from one manifest to another, those of content first: `src/app.ts (content)`, `src/x.sh (mode 644→755)`. */
export function fileChanges(before: string, after: string): string[] {
  const [old, now] = [entriesOf(before), entriesOf(after)]
  const changed: string[] = []
  const added: string[] = []
  for (const [path, entry] of now) {
    const was = old.get(path)
    if (!was) added.push(`${path} (added)`)
    else {
      const what = entryChanges(was, entry)
      if (what.length > 0) changed.push(`${path} (${what.join(', ')})`)
    }
  }
  const removed = [...old.keys()].filter((path) => !now.has(path)).map((path) => `${path} (removed)`)
  return [...changed.toSorted(), ...added.toSorted(), ...removed.toSorted()]
}

function entryChanges(old: FileEntry, now: FileEntry): string[] {
  if (old.type !== now.type) return [`${kinds[old.type] ?? old.type}→${kinds[now.type] ?? now.type}`]
  const changes: string[] = []
  if (old.content !== now.content)
    changes.push(now.type === 'l' ? `target ${old.content}→${now.content}` : 'content')
  if (old.mode !== now.mode) changes.push(`mode ${old.mode}→${now.mode}`)
  if (old.owner !== now.owner) changes.push(`owner ${old.owner}→${now.owner}`)
  if (old.link !== now.link) changes.push('hard links')
  return changes
}

/** By path as the Dockerfile's reader knows it: below the source that took it. */
function entriesOf(text: string): Map<string, FileEntry> {
  const entries = new Map<string, FileEntry>()
  let from = ''
  for (const line of text.split('\n')) {
    if (line === '') continue
    // Written by manifestOf(), kept in our own database.
    const value = JSON.parse(line) as { from: string } | readonly string[]
    if ('from' in value) {
      from = value.from
      continue
    }
    const [path, type, mode, owner, content, link] = value
    if (path === undefined || type === undefined || mode === undefined || owner === undefined) continue
    entries.set(shownPath(from, { path, isDirectory: type === 'd' }), {
      type,
      mode,
      owner,
      content: content ?? '',
      ...(link !== undefined && { link }),
    })
  }
  return entries
}

function shownPath(from: string, entry: { path: string; isDirectory: boolean }): string {
  const root = from === '.' ? '' : from
  if (entry.path === '.') return root === '' ? '.' : root
  // Of a source that is a file the manifest has the name alone.
  if (root.split('/').at(-1) === entry.path && !entry.isDirectory) return root
  return root === '' ? entry.path : `${root}/${entry.path}`
}
