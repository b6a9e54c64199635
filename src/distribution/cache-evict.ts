import type { Op } from '../lib/op.ts'
import type { Digest } from './digest.ts'
import { blobKey, digestOfKey, linksPrefix, manifestsPrefix } from './layout.ts'
import type { Registry } from './registry.ts'

/** Copies that were found, and those that went. */
export interface Evicted {
  readonly copies: number
  readonly bytes: number
  copiesRemoved: number
  bytesRemoved: number
}

interface Copy {
  readonly digest: Digest
  readonly size: number
  /** Milliseconds since 1970. */
  readonly used: number
  /** Where it is, in each repository that has it. */
  readonly places: readonly Place[]
}

interface Place {
  readonly repository: string
  /** Of a blob's link; undefined for a manifest. */
  readonly link: string | undefined
}

/**
 * Removes copies of upstreams that were used longest ago, until the rest fits, and those that nobody used for too long. What goes is
 * fetched again when it is wanted; a collection frees its bytes. Nothing is removed that came or was promised within the grace period.
 */
export async function evict(
  op: Op,
  registry: Registry,
  o: { dryRun?: boolean } = {},
): Promise<Evicted | undefined> {
  const { pullThrough, holds, storage } = registry
  if (!pullThrough) return undefined
  const { maxBytes = Infinity, maxUnused = Infinity } = pullThrough.settings
  const begun = Date.now()
  await pullThrough.use.load(op, storage)
  const copies = await copiesOf(op, registry)
  const result = {
    copies: copies.length,
    bytes: copies.reduce((sum, copy) => sum + copy.size, 0),
    copiesRemoved: 0,
    bytesRemoved: 0,
  }
  const left = new Set<string>(copies.map((copy) => copy.digest))
  for (const copy of copies.toSorted((a, b) => a.used - b.used)) {
    const tooMuch = result.bytes - result.bytesRemoved > maxBytes
    if (!tooMuch && begun - copy.used <= maxUnused) break
    // Somebody used it since it was looked at.
    if ((pullThrough.use.lastUse(copy.digest) ?? 0) > copy.used) continue
    const removed = o.dryRun
      ? !holds.isHeld(copy.digest, begun)
      : await holds.removeUnlessHeld(copy.digest, begun, () => remove(op, registry, copy))
    if (!removed) continue
    if (!o.dryRun) left.delete(copy.digest)
    result.copiesRemoved++
    result.bytesRemoved += copy.size
  }
  await pullThrough.use.save(op, storage, left)
  return result
}

async function remove(op: Op, registry: Registry, copy: Copy): Promise<void> {
  for (const { repository, link } of copy.places) {
    if (link !== undefined) await registry.storage.remove(op, link)
    else await registry.repository(repository).manifests.discard(op, copy.digest)
  }
}

async function copiesOf(op: Op, registry: Registry): Promise<Copy[]> {
  const { storage, pullThrough } = registry
  const places = new Map<Digest, { modified: number; places: Place[] }>()
  const add = (digest: Digest | undefined, modified: Date, place: Place) => {
    if (!digest) return
    const known = places.get(digest)
    if (!known) return void places.set(digest, { modified: modified.getTime(), places: [place] })
    known.places.push(place)
    known.modified = Math.max(known.modified, modified.getTime())
  }
  for await (const repository of registry.repositories(op)) {
    if (!registry.isCopy(repository)) continue
    for await (const { key, modified } of storage.list(op, linksPrefix(repository)))
      add(digestOfKey(key), modified, { repository, link: key })
    for await (const { key, modified } of storage.list(op, manifestsPrefix(repository)))
      add(digestOfKey(key), modified, { repository, link: undefined })
  }
  const copies: Copy[] = []
  for (const [digest, found] of places) {
    const size = (await storage.stat(op, blobKey(digest)))?.size ?? 0
    const used = Math.max(found.modified, pullThrough?.use.lastUse(digest) ?? 0)
    copies.push({ digest, size, used, places: found.places })
  }
  return copies
}
