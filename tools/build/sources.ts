/**
 * What ties a bundle to the sources it was made of: it knows the size and time of each, and steps aside for the sources
 * themselves as soon as one has changed. So it can be missing or old, never wrong. Where there are no sources (the
 * package of npm has none) there is nothing to compare.
 */
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Metafile } from 'esbuild'

export const root = resolve(import.meta.dirname, '../..')

type Inputs = Metafile['inputs']
export type Import = Inputs[string]['imports'][number]

/** The modules that these can come to load. `follow` leaves some imports out. */
export function reachable(
  inputs: Inputs,
  from: readonly string[],
  follow: (importer: string, imported: Import) => boolean = () => true,
): Set<string> {
  const found = new Set<string>()
  const visit = (id: string) => {
    const input = inputs[id]
    if (!input || found.has(id)) return
    found.add(id)
    for (const imported of input.imports) if (!imported.external && follow(id, imported)) visit(imported.path)
  }
  from.forEach(visit)
  return found
}

const started = Date.now()

/** As JSON, for `isFresh` in the bundle. A source that was changed since this program began may be bundled as it was before. */
export function stamps(ids: Iterable<string>): string {
  return JSON.stringify(
    Array.from(ids, (id) => {
      const { size, mtimeMs } = statSync(join(root, id))
      return [id, size, mtimeMs < started ? mtimeMs : 0]
    }),
  )
}

/** Declares `isFresh(stamps)`, for scripts that know `root`, `existsSync` and `statSync`. Each source is looked at once. */
export const isFresh = `const inCheckout = existsSync(root + 'src')
const seen = new Set()
const isFresh = (sources) => !inCheckout || sources.every(([id, size, mtimeMs]) => {
  if (seen.has(id)) return true
  seen.add(id)
  const now = statSync(root + id, { throwIfNoEntry: false })
  return now !== undefined && now.size === size && now.mtimeMs === mtimeMs
})`
