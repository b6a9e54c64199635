import type { Entry } from './scan.ts'

/** Fields of an entry, in their order. None of them has a NUL in it. */
const width = 7

/** Entries as one string: between threads that is several times faster than a structure of as many objects. */
export function encodeEntries(entries: readonly Entry[]): string {
  const fields: string[] = []
  for (const e of entries)
    fields.push(e.path, e.type, e.mode.toString(8), String(e.uid), String(e.gid), e.content, e.inode ?? '')
  return fields.join('\0')
}

/** What `encodeEntries` made. */
export function decodeEntries(text: string): Entry[] {
  if (text === '') return []
  const fields = text.split('\0')
  const entries: Entry[] = []
  for (let i = 0; i + width <= fields.length; i += width) {
    const inode = fields[i + 6]
    entries.push({
      path: fields[i] ?? '',
      type: (fields[i + 1] ?? 'f') as Entry['type'],
      mode: Number.parseInt(fields[i + 2] ?? '0', 8),
      uid: Number(fields[i + 3]),
      gid: Number(fields[i + 4]),
      content: fields[i + 5] ?? '',
      ...(inode && { inode }),
    })
  }
  return entries
}
