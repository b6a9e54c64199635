import { constants, createReadStream } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import type { ContentStore } from '../../content/index.ts'
import { RootDir } from '../../host/root-dir.ts'
import type { Distribution, Images } from '../../image/index.ts'
import { digestSchema } from '../../lib/digest-schema.ts'
import { hexOf, isDigest, type Digest } from '../../lib/digest.ts'
import { EngineError, kindOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { familiar, parseReference, withDefaultTag } from '../../lib/reference.ts'
import type { AuthSource } from '../request.ts'
import { cacheConfigType, decodeDocument, inlineField, maxDocument, parseJson } from './document.ts'
import type { CacheSource, FarBlob } from './imported.ts'

/** Where results of other builds are looked for. */
export type CacheImport =
  /** A directory of this host that whoever asks is entitled to, in OCI layout. */
  | {
      readonly kind: 'local'
      readonly path: string
      readonly tag?: string | undefined
      readonly digest?: string | undefined
    }
  /** A cache, or an image with an inline one: of a registry, or of the local store. */
  | { readonly kind: 'registry'; readonly reference: string }

export interface SourceHost {
  readonly images: Images
  readonly content: ContentStore
  readonly distribution?: Distribution | undefined
  readonly auth: AuthSource | undefined
}

const descriptor = z.object({
  mediaType: z.string().optional(),
  digest: digestSchema,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).nullish(),
})
const manifestShape = z.object({ config: descriptor, layers: z.array(descriptor).max(100_000) })
const indexShape = z.object({ manifests: z.array(descriptor).max(10_000) })
const configShape = z.object({
  rootfs: z.object({ diff_ids: z.array(digestSchema).max(500) }),
  [inlineField]: z.unknown().optional(),
})

/** Reads documents and blobs of one place. */
interface Place {
  small(op: Op, item: z.infer<typeof descriptor>): Promise<Uint8Array>
  blob(item: z.infer<typeof descriptor>): FarBlob
}

/** Foreign content: nothing is believed of it but what its digests say. */
export async function openCacheSource(op: Op, from: CacheImport, host: SourceHost): Promise<CacheSource> {
  if (from.kind === 'local') return await fromLayout(op, from)
  const inline = await fromStore(op, from.reference, host)
  if (inline) return inline
  return await fromRegistry(op, from.reference, host)
}

/** An image of the local store that has a cache in its configuration: all its layers are here. */
async function fromStore(
  op: Op,
  reference: string,
  { images, content }: SourceHost,
): Promise<CacheSource | undefined> {
  let id
  try {
    id = images.find(reference).id
  } catch (error) {
    if (kindOf(error) === 'not-found') return undefined
    throw error
  }
  const config = decode(configShape, parseJson(await content.bytes(id, maxDocument), `image ${reference}`))
  op.signal.throwIfAborted()
  const found = config[inlineField]
  if (found === undefined) return undefined
  return { document: decodeDocument(found, `the cache in image ${reference}`), blobs: new Map() }
}

async function fromRegistry(op: Op, text: string, host: SourceHost): Promise<CacheSource> {
  const reference = withDefaultTag(parseReference(text))
  if (!host.distribution)
    throw new EngineError('unsupported', 'cache type=registry: registries are not supported yet')
  const auth = await host.auth?.of(op, reference.domain)
  const repository = await host.distribution.registries.repository(op, { ...reference, auth, access: 'pull' })
  const place: Place = {
    async small(inner, item) {
      if (item.size > maxDocument) throw tooLarge(text)
      return await buffer(repository.blob(inner, item))
    },
    blob: (item) => ({ ...item, open: (inner) => repository.blob(inner, item) }),
  }
  const manifest = await repository.manifest(op, reference.digest ?? reference.tag ?? 'latest')
  const found = parseJson(manifest.data, familiar(reference))
  const own = indexShape.safeParse(found)
  if (own.success) {
    // An index holds one cache, or an image with one, among attestations.
    for (const item of own.data.manifests) {
      if (item.annotations?.['vnd.docker.reference.type'] !== undefined) continue
      const child = await repository.manifest(op, item.digest)
      return await fromManifest(op, { data: child.data, what: familiar(reference), place })
    }
    throw new EngineError('not-found', `${familiar(reference)} has no build cache`)
  }
  return await fromManifest(op, { data: manifest.data, what: familiar(reference), place })
}

async function fromLayout(op: Op, from: Extract<CacheImport, { kind: 'local' }>): Promise<CacheSource> {
  using root = RootDir.open(from.path)
  const pathOf = (wanted: Digest) => `blobs/sha256/${hexOf(wanted)}`
  const place: Place = {
    small: (_op, item) => Promise.resolve(root.readFile(pathOf(item.digest), maxDocument)),
    blob: (item) => ({
      ...item,
      open() {
        // Opened when it is wanted, long after the handle above is gone.
        using again = RootDir.open(from.path)
        const fd = again.openFile(pathOf(item.digest), constants.O_RDONLY | constants.O_NONBLOCK)
        return createReadStream('', { fd, highWaterMark: 1 << 20 })
      },
    }),
  }
  const index = decode(indexShape, parseJson(root.readFile('index.json', maxDocument), 'index.json'))
  const tag = from.tag ?? 'latest'
  const item = index.manifests.find((each) =>
    from.digest === undefined
      ? each.annotations?.['org.opencontainers.image.ref.name'] === tag
      : each.digest === from.digest,
  )
  if (!item) throw new EngineError('not-found', `${from.path} has no build cache ${from.digest ?? tag}`)
  const data = root.readFile(pathOf(item.digest), maxDocument)
  return await fromManifest(op, { data, what: from.path, place })
}

async function fromManifest(
  op: Op,
  o: { data: Uint8Array; what: string; place: Place },
): Promise<CacheSource> {
  const { what, place } = o
  const manifest = decode(manifestShape, parseJson(o.data, what))
  const config = parseJson(await place.small(op, manifest.config), what)
  if (manifest.config.mediaType === cacheConfigType) {
    const document = decodeDocument(config, what)
    const blobs = new Map<Digest, FarBlob>()
    for (const item of manifest.layers) {
      const layer = item.annotations?.[layerAnnotation]
      if (layer !== undefined && isDigest(layer)) blobs.set(layer, place.blob(item))
    }
    return { document, blobs }
  }
  const image = decode(configShape, config)
  const found = image[inlineField]
  if (found === undefined) throw new EngineError('not-found', `${what} has no build cache`)
  const blobs = new Map<Digest, FarBlob>()
  for (const [position, layer] of image.rootfs.diff_ids.entries()) {
    const item = manifest.layers[position]
    if (item) blobs.set(layer, place.blob(item))
  }
  return { document: decodeDocument(found, what), blobs }
}

/** On a layer of a cache manifest: its diffID. */
export const layerAnnotation = 'containerd.io/uncompressed'

function decode<T>(shape: z.ZodType<T>, value: unknown): T {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new EngineError('invalid', `no build cache: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
}

const tooLarge = (what: string) => new EngineError('invalid', `the build cache ${what} is too large`)
