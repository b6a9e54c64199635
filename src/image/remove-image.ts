import type { Digest } from '../lib/digest.ts'
import type { ImageDeleteItem } from '../wire/image.ts'
import type { Catalog } from './catalog.ts'
import type { Image } from './config.ts'
import type { Garbage } from './garbage.ts'
import { chainIds, planRemoval, untagged, type ImageUser } from './removal.ts'

export interface RemoveOptions {
  readonly force: boolean
  /** Layers that became free are not reported. */
  readonly noPrune: boolean
  readonly usedBy: (id: Digest) => ImageUser | undefined
}

export interface RemoveHost {
  readonly catalog: Catalog
  readonly garbage: Garbage
}

/** Docker's `rmi`; see `planRemoval`. Layers and blobs that became free are left for a collection. */
export function removeImage(ref: string, o: RemoveOptions, host: RemoveHost): ImageDeleteItem[] {
  const { catalog } = host
  const { id, key } = catalog.resolve(ref)
  const image = catalog.describe(id)
  const names = [...image.refs, ...image.digests]
  const plan = planRemoval({ ref, key, id, names, force: o.force, user: o.usedBy(id) })
  const members = new Set(plan.untag.flatMap((name) => catalog.names.membersOf(name)))
  catalog.forget(() => {
    for (const name of plan.untag) catalog.names.delete(name)
    return plan.deleteImage ? [id] : []
  })
  const items = plan.untag.map(untagged)
  const labels = image.config.config?.Labels
  for (const _ of plan.untag) catalog.announce(id, 'untag', { name: id, labels })
  if (plan.deleteImage) items.push(...reportDeleted(image, o, host))
  // The other platforms go with the last name that meant them.
  for (const member of members) {
    if (member === id || !catalog.has(member) || catalog.isNamed(member) || o.usedBy(member)) continue
    const other = catalog.describe(member)
    catalog.forget(() => [member])
    items.push(...reportDeleted(other, o, host))
  }
  catalog.names.keepIndexes()
  return items
}

/** What docker reports of an image that is forgotten. */
export function reportDeleted(
  image: Image,
  o: { noPrune: boolean },
  { catalog, garbage }: RemoveHost,
): ImageDeleteItem[] {
  const { id } = image
  catalog.announce(id, 'delete', { name: id })
  const items: ImageDeleteItem[] = [{ Deleted: id }]
  if (o.noPrune) return items
  const used = garbage.references().layers
  const chain = chainIds(image.layers)
  for (const [index, diffId] of [...image.layers.entries()].toReversed()) {
    const chainId = chain[index]
    if (!used.has(diffId) && chainId !== undefined) items.push({ Deleted: chainId })
  }
  return items
}
