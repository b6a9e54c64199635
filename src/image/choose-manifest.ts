import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { FetchedManifest, Repository } from '../registry/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import { choosePlatform, formatPlatform, hostPlatform } from './platform.ts'
import {
  decodeManifest,
  type ImageManifest,
  type IndexManifest,
  type RegistryDescriptor,
} from './registry-manifest.ts'

/** The manifest of one image. */
export interface ChosenManifest {
  readonly own: FetchedManifest
  readonly manifest: ImageManifest
}

/** The image that a manifest or an index leads to, for a platform or this host. Throws kind `not-found` with docker's text. */
export async function chooseImage(
  op: Op,
  o: { top: FetchedManifest; name: string; repository: Repository; platform: Platform | undefined },
): Promise<ChosenManifest> {
  const { top, name, repository } = o
  let own = top
  for (let depth = 0; depth < 3; depth++) {
    const manifest = decodeManifest(own, name)
    if (manifest.kind === 'image') return { own, manifest }
    const { digest } = choose(manifest, o)
    own = await repository.manifest(op, digest)
  }
  throw new EngineError('invalid', `${name}: its indexes are nested too deeply`)
}

/** All images of an index that can be kept here; what is left out is reported. */
export async function everyImage(
  op: Op,
  o: {
    index: IndexManifest
    repository: Repository
    name: string
    report: (message: ProgressMessage) => void
  },
): Promise<ChosenManifest[]> {
  const found: ChosenManifest[] = []
  for (const { digest, platform } of o.index.images) {
    if (platform && platform.os !== 'linux') {
      o.report({ status: `Left out ${formatPlatform(platform)}: only images for linux can be kept` })
      continue
    }
    const own = await o.repository.manifest(op, digest)
    const manifest = decodeManifest(own, o.name)
    if (manifest.kind === 'index')
      throw new EngineError(
        'unsupported',
        `${o.name}: an index within its index cannot be pulled with all platforms`,
      )
    found.push({ own, manifest })
  }
  return found
}

function choose(
  index: IndexManifest,
  o: { name: string; platform: Platform | undefined },
): RegistryDescriptor {
  const wanted = o.platform ?? hostPlatform()
  const found = choosePlatform(index.images, wanted)
  // An index of one image may leave out for what it is; the image's configuration tells.
  const [only, ...others] = index.images
  if (found) return found
  if (only && others.length === 0 && only.platform === undefined) return only
  const has = index.images.flatMap(({ platform }) => (platform ? [formatPlatform(platform)] : []))
  throw new EngineError(
    'not-found',
    `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries of ${o.name}${has.length > 0 ? `: it has ${[...new Set(has)].join(', ')}` : ''}`,
  )
}
