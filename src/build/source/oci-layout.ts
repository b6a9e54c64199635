import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { RootDir } from '../../host/root-dir.ts'
import { choosePlatform, hostPlatform, type Image, type Images } from '../../image/index.ts'
import { digestSchema } from '../../lib/digest-schema.ts'
import { hexOf, type Digest } from '../../lib/digest.ts'
import { EngineError, hasCode, kindOf } from '../../lib/errors.ts'
import { detached, type Op } from '../../lib/op.ts'
import { encodeHeader, padded } from '../../snapshot/index.ts'
import type { Platform } from '../../wire/registry.ts'

export interface Layout {
  readonly path: string
  /** Of the image, when the layout has several. */
  readonly tag?: string
  readonly digest?: string
}

const maxDocument = 8 << 20
const descriptor = z.object({
  mediaType: z.string().exactOptional(),
  digest: digestSchema,
  size: z.int().min(0),
  platform: z
    .object({ os: z.string(), architecture: z.string(), variant: z.string().exactOptional() })
    .exactOptional(),
  annotations: z.record(z.string(), z.string()).exactOptional(),
})
type Descriptor = z.infer<typeof descriptor>
const index = z.object({ manifests: z.array(descriptor).max(10_000) })
const manifest = z.object({ config: descriptor, layers: z.array(descriptor).max(500) })
const refName = 'org.opencontainers.image.ref.name'

/** Puts one image of a layout into the store, until `undo` ends unless it was there before. */
export async function loadLayout(
  op: Op,
  layout: Layout,
  o: { images: Images; platform: Platform | undefined; undo: AsyncDisposableStack },
): Promise<Image> {
  using root = RootDir.open(layout.path)
  const top = decode(index, readDocument(root, 'index.json', layout), layout)
  const chosen = choose(top.manifests, layout)
  const item = resolve(root, chosen, { layout, platform: o.platform ?? hostPlatform() })
  const { config, layers } = decode(manifest, readBlob(root, item, layout), layout)
  const known = find(o.images, config.digest)
  if (known) return known
  o.undo.defer(() => forget(op, o.images, config.digest))
  // Nothing that the layout says of names counts: none is given.
  const plain = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...item, annotations: undefined }
  const entries = archive(root, {
    index: { schemaVersion: 2, manifests: [plain] },
    blobs: [item, config, ...layers],
  })
  for await (const _ of o.images.load(op, Readable.from(entries, { objectMode: false })))
    op.signal.throwIfAborted()
  return o.images.find(config.digest)
}

function choose(manifests: readonly Descriptor[], layout: Layout): Descriptor {
  const { path, tag } = layout
  const suits = (each: Descriptor) =>
    layout.digest === undefined
      ? tag === undefined || each.annotations?.[refName] === tag
      : each.digest === layout.digest
  const found = manifests.filter(suits)
  const named = found.length > 1 ? found.filter((each) => each.annotations?.[refName] === 'latest') : found
  if (named[0] && named.length === 1) return named[0]
  const what = layout.digest ?? (tag === undefined ? '' : ` ${tag}`)
  if (found.length === 0)
    throw new EngineError('not-found', `OCI layout ${path} has no image${what && ` ${what.trim()}`}`)
  throw new EngineError('invalid', `OCI layout ${path} has several images: name one by its tag or digest`)
}

/** Down to a manifest: of an index the image for the platform. */
function resolve(root: RootDir, item: Descriptor, o: { layout: Layout; platform: Platform }): Descriptor {
  let current = item
  for (let depth = 0; /image\.index|manifest\.list/.test(current.mediaType ?? ''); depth++) {
    if (depth > 3)
      throw new EngineError('invalid', `OCI layout ${o.layout.path}: indexes are nested too deeply`)
    const { manifests } = decode(index, readBlob(root, current, o.layout), o.layout)
    const images = manifests.filter((each) => each.annotations?.['vnd.docker.reference.type'] === undefined)
    const chosen =
      choosePlatform(
        images.map((each) => ({ platform: each.platform, each })),
        o.platform,
      )?.each ?? (images.length === 1 && images[0]?.platform === undefined ? images[0] : undefined)
    if (!chosen)
      throw new EngineError(
        'not-found',
        `OCI layout ${o.layout.path}: no match for platform in manifest ${current.digest}`,
      )
    current = chosen
  }
  return current
}

const blobPath = (item: Descriptor): string => `blobs/sha256/${hexOf(item.digest)}`

function readBlob(root: RootDir, item: Descriptor, layout: Layout): Buffer {
  return readDocument(root, blobPath(item), layout)
}

function readDocument(root: RootDir, path: string, layout: Layout): Buffer {
  try {
    return root.readFile(path, maxDocument)
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR')) throw cause
    throw new EngineError('not-found', `OCI layout ${layout.path}: ${path} is not there`, { cause })
  }
}

function decode<T>(shape: z.ZodType<T>, data: Buffer, layout: Layout): T {
  try {
    return shape.parse(JSON.parse(data.toString()))
  } catch (cause) {
    throw new EngineError('invalid', `OCI layout ${layout.path}: a document cannot be read`, { cause })
  }
}

/** What `Images.load` takes; it checks every digest. */
async function* archive(
  root: RootDir,
  o: { index: object; blobs: readonly Descriptor[] },
): AsyncGenerator<Buffer> {
  const header = (name: string, size: number) =>
    encodeHeader({
      name,
      type: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size,
      mtime: { sec: 0, nsec: 0 },
      linkName: '',
      major: 0,
      minor: 0,
      xattrs: new Map(),
    })
  const document = Buffer.from(JSON.stringify(o.index))
  yield* [
    header('index.json', document.length),
    document,
    Buffer.alloc(padded(document.length) - document.length),
  ]
  const written = new Set<Digest>()
  for (const item of o.blobs) {
    if (written.has(item.digest)) continue
    written.add(item.digest)
    yield header(blobPath(item), item.size)
    let size = 0
    for await (const chunk of createReadStream('', {
      fd: root.openFile(blobPath(item), 0),
    }) as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > item.size) break
      yield chunk
    }
    if (size !== item.size)
      throw new EngineError('invalid', `${blobPath(item)} has another size than the layout says`)
    yield Buffer.alloc(padded(size) - size)
  }
  yield Buffer.alloc(1024)
}

function find(images: Images, id: string): Image | undefined {
  try {
    return images.find(id)
  } catch (error) {
    if (kindOf(error) === 'not-found') return undefined
    throw error
  }
}

/** Layers that the build's results need stay: its cache records hold them. */
async function forget(op: Op, images: Images, id: string): Promise<void> {
  const image = find(images, id)
  if (!image || image.refs.length > 0 || image.digests.length > 0) return
  try {
    await images.remove(detached(op, 30_000), id, { force: false, noPrune: false, usedBy: () => undefined })
  } catch (error) {
    op.log.warn('removing the image of a build context failed', { id, error })
  }
}
