import type { Engine } from '../../engine/index.ts'
import type { Image } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { familiar, familiarName, parseReference } from '../../lib/reference.ts'
import type { ImageSummary } from '../../wire/image.ts'
import { encodeManifests, encodeSummary } from './encode-image.ts'
import { Filters, parseTime } from './filters.ts'
import { sendJson } from './respond.ts'
import type { Call } from './route.ts'

type Deps = Pick<Engine, 'containers' | 'images'>

const listFilters = ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until']

/** `GET /images/json`. */
export async function listImages(engine: Deps, call: Call): Promise<void> {
  const { query } = call
  const filters = Filters.of(query, listFilters)
  const { images } = engine
  const age = (ref: string) => Date.parse(images.find(ref).createdAt)
  const dangling = filters.flag('dangling')
  const until = filters.get('until')[0]
  const selected = images
    .list()
    .map((image) => withMatchingNames(image, filters.get('reference')))
    .filter(
      (image): image is Image =>
        image !== undefined &&
        // Named by another image's name: shown with all that has no name of its own.
        (query.flag('all') || image.refs.length > 0 || !images.isMember(image.id)) &&
        (dangling === undefined || dangling === isDangling(engine, image)) &&
        filters.labels(image.config.config?.Labels) &&
        filters.withoutLabels(image.config.config?.Labels) &&
        filters.any('before', (ref) => Date.parse(image.createdAt) < age(ref)) &&
        filters.any('since', (ref) => Date.parse(image.createdAt) > age(ref)) &&
        (until === undefined || Date.parse(image.createdAt) < parseTime(until) * 1000),
    )
    .sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))
  const shared = query.flag('shared-size')
  // Docker: manifests are told since 1.47.
  const manifests = query.flag('manifests') && call.minor >= 47
  const rows: ImageSummary[] = []
  for (const image of selected) {
    const row = encodeSummary(image, {
      sharedSize: shared ? images.sharedSize(image) : -1,
      // Docker: counted for `system df` alone.
      containers: -1,
      minor: call.minor,
    })
    try {
      rows.push(manifests ? { ...row, ...(await withManifests(engine, call, image)) } : row)
    } catch (error) {
      // It was removed while others were looked at.
      if (images.has(image.id)) throw error
    }
  }
  sendJson(call.response, rows)
}

/** Docker: the size is then that of all platforms. */
async function withManifests(engine: Deps, call: Call, image: Image): Promise<Partial<ImageSummary>> {
  const more = await manifestsOf(engine, call, image)
  return { ...more, Size: more.Manifests.reduce((sum, one) => sum + one.Size.Total, 0) }
}

/** What `manifests=1` adds. */
export async function manifestsOf(
  engine: Pick<Deps, 'images' | 'containers'>,
  call: Call,
  image: Image,
): Promise<ReturnType<typeof encodeManifests>> {
  const manifests = await engine.images.manifestsOf(call.op, image)
  return encodeManifests(manifests, (id) => usersOf(engine, id))
}

const usersOf = ({ containers }: Pick<Deps, 'containers'>, image: string): string[] =>
  containers
    .list()
    .filter((c) => c.imageId === image)
    .map((c) => c.id)

/** Docker: `reference` shows of an image only the names that match. */
function withMatchingNames(image: Image, patterns: readonly string[]): Image | undefined {
  if (patterns.length === 0) return image
  const refs = image.refs.filter((ref) => patterns.some((pattern) => matchesReference(ref, pattern)))
  const digests = image.digests.filter((ref) => patterns.some((pattern) => matchesReference(ref, pattern)))
  return refs.length + digests.length > 0 ? { ...image, refs, digests } : undefined
}

/** Go's path.Match over the familiar name, with and without the tag. */
function matchesReference(ref: string, pattern: string): boolean {
  const parsed = parseReference(ref)
  const glob = globOf(pattern)
  return glob.test(familiar(parsed)) || glob.test(familiarName(parsed))
}

function globOf(pattern: string): RegExp {
  const source = pattern
    .slice(0, 512)
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  try {
    return new RegExp(`^${source}$`)
  } catch (cause) {
    throw new EngineError('invalid', `invalid filter 'reference=${pattern}'`, { cause })
  }
}

/** No name means it, nor an index that a name stands for. */
export const isDangling = ({ images }: Pick<Deps, 'images'>, image: Image): boolean =>
  image.refs.length === 0 && !images.isMember(image.id)
