import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { readTar, type TarEntry } from '../../snapshot/index.ts'

/** A file of which two builds made different things. */
export interface FileDifference {
  /** As in the image: `/etc/passwd`; a deletion is named by what it deletes. */
  readonly path: string
  /** In words: `content (12 bytes, then 14)`, `mode 644, then 755`, `only in the second build`. */
  readonly what: readonly string[]
}

interface File {
  readonly entry: TarEntry
  readonly content: string
}

/** What differs between two layer archives of our own, whose entries are in order of their names. At most `limit` files. */
export async function compareLayers(
  first: Readable,
  second: Readable,
  o: { limit: number },
): Promise<FileDifference[]> {
  const [a, b] = [filesOf(first), filesOf(second)]
  try {
    const found: FileDifference[] = []
    let [left, right] = [await a.next(), await b.next()]
    while (found.length < o.limit && !(left.done && right.done)) {
      // Names are bytes, kept as latin1: they compare as the writer sorted them, a directory before what is in it.
      const order = left.done ? 1 : right.done ? -1 : compare(left.value.entry.name, right.value.entry.name)
      if (order === 0 && !left.done && !right.done) {
        const what = differences(left.value, right.value)
        if (what.length > 0) found.push({ path: shownPath(left.value.entry), what })
      } else if (order < 0 && !left.done)
        found.push({ path: shownPath(left.value.entry), what: ['only in the first build'] })
      else if (!right.done)
        found.push({ path: shownPath(right.value.entry), what: ['only in the second build'] })
      if (order <= 0) left = await a.next()
      if (order >= 0) right = await b.next()
    }
    return found
  } finally {
    first.destroy()
    second.destroy()
  }
}

async function* filesOf(source: Readable): AsyncGenerator<File, undefined> {
  for await (const { entry, body } of readTar(source)) {
    const hash = createHash('sha256')
    for await (const chunk of body) hash.update(chunk)
    yield { entry, content: hash.digest('hex') }
  }
  return undefined
}

/** By parts of the path, as the archive's writer goes. */
function compare(a: string, b: string): number {
  const [left, right] = [a.replace(/\/$/, '').split('/'), b.replace(/\/$/, '').split('/')]
  for (const [index, part] of left.entries()) {
    const other = right[index]
    if (other === undefined) return 1
    if (part !== other) return part < other ? -1 : 1
  }
  return left.length < right.length ? -1 : 0
}

function differences({ entry: a, content }: File, { entry: b, content: other }: File): string[] {
  if (a.type !== b.type) return [`a ${a.type}, then a ${b.type}`]
  const what: string[] = []
  if (content !== other)
    what.push(
      a.size === b.size
        ? `content (${a.size} bytes, sha256 ${content.slice(0, 12)}, then ${other.slice(0, 12)})`
        : `content (${a.size} bytes, then ${b.size})`,
    )
  if (a.linkName !== b.linkName) what.push(`target ${a.linkName}, then ${b.linkName}`)
  if (a.mode !== b.mode) what.push(`mode ${a.mode.toString(8)}, then ${b.mode.toString(8)}`)
  if (a.uid !== b.uid || a.gid !== b.gid) what.push(`owner ${a.uid}:${a.gid}, then ${b.uid}:${b.gid}`)
  if (a.mtime.sec !== b.mtime.sec) what.push(`time ${time(a)}, then ${time(b)}`)
  const attributes = [...new Set([...a.xattrs.keys(), ...b.xattrs.keys()])].filter(
    (name) => !sameBytes(a.xattrs.get(name), b.xattrs.get(name)),
  )
  if (attributes.length > 0) what.push(`attributes ${attributes.join(', ')}`)
  return what
}

const sameBytes = (a: Buffer | undefined, b: Buffer | undefined) =>
  a !== undefined && b !== undefined ? a.equals(b) : a === b
const time = (entry: TarEntry) => new Date(entry.mtime.sec * 1000).toISOString().replace('.000Z', 'Z')

function shownPath({ name }: TarEntry): string {
  const path = Buffer.from(name.replace(/\/$/, ''), 'latin1').toString()
  return `/${path.replace(/(^|\/)\.wh\.\.wh\.\.opq$/, '$1').replace(/(^|\/)\.wh\./, '$1')}`
}
