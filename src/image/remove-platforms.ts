import type { Digest } from '../lib/digest.ts'
import type { ImageDeleteItem } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import { notForPlatform, type Catalog } from './catalog.ts'
import { formatPlatform, hostPlatform, normalize, platformOf } from './platform.ts'
import { assertRemovable, untagged } from './removal.ts'
import { removeImage, reportDeleted, type RemoveHost, type RemoveOptions } from './remove-image.ts'

/**
 * Docker's `rmi --platform`: of a name that stands for several platforms only these go; the last one takes the name with it. All of
 * them, or nothing when one is not here or is in use. A name or id of a single image is removed as always, if it is for the platform.
 */
export function removePlatforms(
  ref: string,
  o: RemoveOptions & { platforms: readonly Platform[] },
  host: RemoveHost,
): ImageDeleteItem[] {
  const { catalog } = host
  const { id, key } = catalog.resolve(ref)
  const index = key === undefined ? undefined : catalog.names.indexOf(key)?.digest
  const here = key === undefined || index === undefined ? [id] : catalog.names.membersOf(key)
  const going = new Set(o.platforms.map((platform) => exactly(platform, { ref, here, catalog })))
  if (index === undefined) return removeImage(ref, o, host)
  const names = catalog.names.ofIndex(index)
  for (const each of going) assertRemovable({ id: each, names, force: o.force, user: o.usedBy(each) })

  const rest = here.filter((each) => !going.has(each))
  const images = [...going].map((each) => catalog.describe(each))
  catalog.forget(() => {
    catalog.names.indexes.removeMembers(index, going)
    const first = catalog.choose(rest, hostPlatform()) ?? rest.at(-1)
    for (const name of names)
      if (first === undefined) catalog.names.delete(name)
      else catalog.names.put(name, { id: first, index })
    // Other names may mean the same image.
    return [...going].filter((each) => !catalog.isNamed(each))
  })
  catalog.names.keepIndexes()
  const untag = rest.length === 0 ? names : []
  const labels = images[0]?.config.config?.Labels
  for (const _ of untag) catalog.announce(id, 'untag', { name: id, labels })
  const deleted = images.filter((image) => !catalog.has(image.id))
  return [...untag.map(untagged), ...deleted.flatMap((image) => reportDeleted(image, o, host))]
}

/** Not the next best one, as for those who want to run it. */
function exactly(platform: Platform, o: { ref: string; here: readonly Digest[]; catalog: Catalog }): Digest {
  const text = (one: Platform) => formatPlatform(normalize(one))
  const found = o.here.find((each) => {
    const config = o.catalog.configOf(each)
    return config !== undefined && text(platformOf(config)) === text(platform)
  })
  if (found === undefined) throw notForPlatform(o.ref, platform)
  return found
}
