import type { Digest } from '../../lib/digest.ts'
import type { CopyStep } from '../graph/works.ts'
import type { Json } from '../solver/vertex.ts'
import { hardLinks, manifestOf } from './manifest.ts'
import type { Origin, Picked } from './origins.ts'
import type { Tools } from './tools.ts'

/** What a COPY takes from one place. */
export interface Part {
  readonly origin: Origin
  readonly directory: string
  readonly picked: readonly Picked[]
}

/** Files of an earlier layer that a COPY would make again. */
export interface EarlierFiles {
  readonly layer: Digest
  /** The directory that is copied to, absolute. */
  readonly target: string
  /** Below it. */
  readonly paths: readonly string[]
}

/**
 * Where a directory of the context was copied before, with the same step in other words for its files: those whose lines in
 * the manifest are the same. One directory alone: where several come together, which file a name means is less clear.
 */
export function earlierFiles(
  tools: Tools,
  o: { step: CopyStep; parts: readonly Part[]; definition: Record<string, Json> },
): EarlierFiles | undefined {
  const { step, parts } = o
  const [part, ...others] = parts
  const [picked, ...more] = part?.picked ?? []
  if (!part || !picked || others.length + more.length + step.inline.length > 0 || step.parents)
    return undefined
  const { selection } = picked
  if (part.origin.from !== 'context' || selection.root.type !== 'd') return undefined
  const { times } = tools
  const found = tools.earlierCopy?.({ ...o.definition, ...(times && { times: { ...times } }) })
  if (!found) return undefined
  const before = found.manifest.split('\n')
  if (before.filter((line) => line.startsWith('{')).length > 1) return undefined
  const known = new Set(before)
  // Two lines, where it was and the directory itself, and then one for each entry.
  const lines = manifestOf([selection], { owners: false }).text.split('\n').slice(2)
  // Hard links of each other are made together, or some would be of the new layer and some of the old.
  const links = hardLinks(selection.below)
  const paths = selection.below.flatMap((entry, index) =>
    entry.type === 'f' && !links.has(entry) && known.has(lines[index] ?? '') ? [entry.path] : [],
  )
  if (paths.length === 0) return undefined
  tools.lease.add(`layer:${found.layer}`)
  return { layer: found.layer, target: step.target, paths }
}
