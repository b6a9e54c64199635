import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { hexOf, isDigest, type Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { group } from '../lib/group.ts'
import { shortId } from '../lib/id.ts'
import { canonical, parseReference } from '../lib/reference.ts'
import type { Op } from '../lib/op.ts'
import { decompress } from '../host/decompress.ts'
import type { ContentStore } from '../content/index.ts'
import { readTar, type DiffId, type Snapshots } from '../snapshot/index.ts'
import type { Lease } from '../store/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import { decodeConfig, decodeJson, type OciImage } from './config.ts'
import { formatPlatform, platformOf, suits } from './platform.ts'

const maxJsonSize = 8 << 20
const maxEntries = 20_000
const maxImages = 1000

interface LoadHost {
  readonly content: ContentStore
  readonly snapshots: Snapshots
  readonly lease: Lease
  /** Only images for it. */
  readonly platform?: Platform | undefined
  /** Everything that the load makes, for its caller to take away again if no image wants it. */
  readonly touched: { layers: Set<DiffId>; blobs: Set<Digest> }
}

export type LoadStep =
  | { type: 'progress'; message: ProgressMessage }
  /** All layers of this image are there now. */
  | { type: 'image'; config: Buffer; refs: string[]; index?: LoadedIndex | undefined }

/** The index that an image's names stand for. */
export interface LoadedIndex {
  readonly digest: Digest
  readonly mediaType: string
  /** The image's own manifest. */
  readonly manifest: Digest
  readonly manifestType: string
  /** What is in the archive of it beside images. */
  readonly blobs: readonly Digest[]
}

/** An image as the archive describes it; files are blobs in the content store by now. */
interface Described {
  readonly config: Digest
  readonly layers: readonly Digest[]
  readonly refs: readonly string[]
  readonly index?: LoadedIndex | undefined
}

const dockerManifest = z
  .array(
    z.object({
      Config: z.string(),
      RepoTags: z.array(z.string()).nullish(),
      Layers: z.array(z.string()).max(500).nullish(),
    }),
  )
  .max(maxImages)

const digest = z.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'not a sha256 digest',
)
const descriptor = z.object({
  mediaType: z.string().optional(),
  digest,
  platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
  annotations: z.record(z.string(), z.string()).nullish(),
})
const indexType = /image\.index|manifest\.list/
const index = z.object({ manifests: z.array(descriptor).max(maxImages) })
const manifest = z.object({ config: descriptor, layers: z.array(descriptor).max(500) })

/** Reads the archive whole, then gives its images one by one, with all their layers unpacked. */
export async function* loadArchive(op: Op, archive: Readable, host: LoadHost): AsyncGenerator<LoadStep> {
  const files = await store(op, await decompress(op, archive), host)
  // manifest.json has one platform of an image; docker writes both, and the index says more where it has more.
  const docker = files.has('manifest.json') && !(await hasIndexes(files, host))
  const images = docker ? await describeDocker(files, host) : await describeOci(files, host)
  let loaded = 0
  for (const image of images) {
    const config = await host.content.bytes(image.config, maxJsonSize)
    const decoded = decodeConfig(config, image.config)
    if (host.platform && !suits(platformOf(decoded), host.platform)) continue
    checkPlatform(decoded)
    loaded++
    yield* unpackLayers(op, { config: decoded, blobs: image.layers, host })
    yield { type: 'image', config, refs: [...image.refs], index: image.index }
  }
  if (loaded === 0 && host.platform)
    throw new EngineError(
      'not-found',
      `the archive has no image for the platform ${formatPlatform(host.platform)}`,
    )
}

async function hasIndexes(files: ReadonlyMap<string, Digest>, host: LoadHost): Promise<boolean> {
  const top = files.get('index.json')
  if (!top) return false
  const data = await host.content.bytes(top, maxJsonSize)
  const { manifests } = decodeJson(data, { schema: index, what: 'index.json' })
  return manifests.some((item) => indexType.test(item.mediaType ?? ''))
}

/** Every file of the archive goes to the content store; the archive's own names lead to digests from now on. */
async function store(op: Op, tar: Readable, host: LoadHost): Promise<Map<string, Digest>> {
  const files = new Map<string, Digest>()
  const links = new Map<string, string>()
  let entries = 0
  for await (const { entry, body } of readTar(tar)) {
    const name = clean(entry.name)
    if (++entries > maxEntries)
      throw new EngineError(
        'invalid',
        `the archive has more than ${maxEntries} entries: it is no image archive`,
      )
    switch (entry.type) {
      case 'file': {
        const promised = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1]
        const expected: Digest | undefined = promised === undefined ? undefined : `sha256:${promised}`
        if (expected) host.lease.add(`blob:${expected}`)
        // What is here already need not be written again: its digest was checked then.
        if (expected && (host.snapshots.layer(expected) || (await host.content.has(expected)))) {
          files.set(name, expected)
          break
        }
        const written = await host.content.write(op, Readable.from(body, { objectMode: false }), {
          ...(expected && { expected }),
        })
        host.lease.add(`blob:${written.digest}`)
        host.touched.blobs.add(written.digest)
        files.set(name, written.digest)
        break
      }
      // `docker save` before 25 writes a layer once and links to it from its other places.
      case 'symlink':
        links.set(name, clean(posix.join(posix.dirname(name), entry.linkName), entry.name))
        break
      case 'hardlink':
        links.set(name, clean(entry.linkName, entry.name))
        break
      case 'directory':
        break
      default:
        throw new EngineError(
          'invalid',
          `refused archive entry ${JSON.stringify(entry.name)}: it is a ${entry.type} node`,
        )
    }
  }
  for (const [name, target] of links) {
    let file = target
    for (let hops = 0; hops < 10 && !files.has(file); hops++) file = links.get(file) ?? file
    const content = files.get(file)
    if (content && !files.has(name)) files.set(name, content)
  }
  return files
}

function clean(name: string, entry: string = name): string {
  const path = posix.normalize(name).replace(/\/$/, '')
  if (path.startsWith('/') || path === '..' || path.startsWith('../') || name.includes('\0'))
    throw new EngineError(
      'invalid',
      `refused archive entry ${JSON.stringify(entry)}: its name leads out of the archive`,
    )
  return path
}

async function describeDocker(files: ReadonlyMap<string, Digest>, host: LoadHost): Promise<Described[]> {
  const lookUp = (path: string): Digest => {
    const found = files.get(clean(path, 'manifest.json'))
    if (!found)
      throw new EngineError(
        'invalid',
        `manifest.json names ${JSON.stringify(path.slice(0, 200))}, which is not in the archive`,
      )
    return found
  }
  const data = await host.content.bytes(lookUp('manifest.json'), maxJsonSize)
  const images = decodeJson(data, { schema: dockerManifest, what: 'manifest.json' })
  return images.map((image) => ({
    config: lookUp(image.Config),
    layers: (image.Layers ?? []).map(lookUp),
    refs: (image.RepoTags ?? []).map((tag) => canonical(parseReference(tag))),
  }))
}

async function describeOci(files: ReadonlyMap<string, Digest>, host: LoadHost): Promise<Described[]> {
  const top = files.get('index.json')
  if (!top)
    throw new EngineError(
      'invalid',
      'the archive is no image: it has neither manifest.json nor index.json (a file system archive is for import)',
    )
  const present = new Set(files.values())
  const read = async <T>(which: Digest, o: { schema: z.ZodType<T>; what: string }): Promise<T> => {
    if (!present.has(which)) throw new EngineError('invalid', `${o.what} (${which}) is not in the archive`)
    return decodeJson(await host.content.bytes(which, maxJsonSize), o)
  }
  const images: Described[] = []
  const add = async (
    item: z.infer<typeof descriptor>,
    o: { depth: number; refs: string[]; index?: Omit<LoadedIndex, 'manifest' | 'manifestType'> },
  ): Promise<void> => {
    const refs = [...o.refs, ...nameOf(item.annotations ?? {})]
    if (indexType.test(item.mediaType ?? '')) {
      if (o.depth > 3) throw new EngineError('invalid', 'index.json leads to indexes nested too deeply')
      const nested = await read(item.digest, { schema: index, what: 'an index' })
      const here = nested.manifests.filter((each) => present.has(each.digest))
      const mine = here.filter(isImage)
      if (mine.length === 0)
        throw new EngineError('invalid', `index ${item.digest} has no image in the archive`)
      const blobs: Digest[] = []
      for (const each of here.filter((one) => !isImage(one))) {
        const parts = await read(each.digest, { schema: manifest, what: 'a manifest' })
        blobs.push(each.digest, parts.config.digest, ...parts.layers.map((layer) => layer.digest))
      }
      const own = {
        digest: item.digest,
        mediaType: item.mediaType ?? '',
        blobs: blobs.filter((one) => present.has(one)),
      }
      for (const each of mine) await add(each, { depth: o.depth + 1, refs, index: own })
      return
    }
    if (!isImage(item)) return
    const content = await read(item.digest, { schema: manifest, what: 'a manifest' })
    images.push({
      config: content.config.digest,
      layers: content.layers.map((layer) => layer.digest),
      refs,
      index: o.index && { ...o.index, manifest: item.digest, manifestType: item.mediaType ?? '' },
    })
    for (const each of [content.config, ...content.layers])
      if (!present.has(each.digest) && !host.snapshots.layer(each.digest))
        throw new EngineError(
          'invalid',
          `manifest ${item.digest} names ${each.digest}, which is not in the archive`,
        )
  }
  const { manifests } = await read(top, { schema: index, what: 'index.json' })
  for (const item of manifests) await add(item, { depth: 0, refs: [] })
  return mergeSame(images)
}

/** One image may be listed once for each of its names. */
function mergeSame(images: readonly Described[]): Described[] {
  const merged = new Map<Digest, Described>()
  for (const image of images) {
    const before = merged.get(image.config)
    const refs = [...new Set([...(before?.refs ?? []), ...image.refs])]
    merged.set(image.config, { ...image, refs, index: image.index ?? before?.index })
  }
  return [...merged.values()]
}

/** Builders put attestations beside images. */
function isImage(item: z.infer<typeof descriptor>): boolean {
  return (
    item.annotations?.['vnd.docker.reference.type'] === undefined &&
    (item.platform === undefined || item.platform.os === 'linux')
  )
}

function nameOf(annotations: Readonly<Record<string, string>>): string[] {
  const full = annotations['io.containerd.image.name']
  const name = full ?? annotations['org.opencontainers.image.ref.name']
  // The specification lets the second be a tag alone, which names nothing.
  if (name === undefined || (full === undefined && !/[/:]/.test(name))) return []
  return [canonical(parseReference(name))]
}

function checkPlatform(config: OciImage): void {
  if (config.os !== 'linux')
    throw new EngineError('unsupported', `the image is for ${config.os}: only linux images can be loaded`)
}

async function* unpackLayers(
  op: Op,
  o: { config: OciImage; blobs: readonly Digest[]; host: LoadHost },
): AsyncGenerator<LoadStep> {
  const { snapshots, content, lease, touched } = o.host
  const diffIds = o.config.rootfs.diff_ids
  if (diffIds.length !== o.blobs.length)
    throw new EngineError(
      'invalid',
      `the image's config has ${diffIds.length} layers, its manifest ${o.blobs.length}`,
    )
  const done: DiffId[] = []
  const tasks = diffIds.map((diffId, position) => async (inner: Op) => {
    const blob = o.blobs[position]
    lease.add(`layer:${diffId}`)
    if (snapshots.layer(diffId) || blob === undefined) return
    touched.layers.add(diffId)
    // Stored uncompressed, a blob is known by the diffID itself: no need to read it to see that it is another.
    const source = await decompress(inner, content.read(blob))
    await snapshots.unpack(inner, source, { expected: diffId, blob, lease })
    done.push(diffId)
  })
  await group(op, tasks, { limit: 3 })
  for (const diffId of done)
    yield {
      type: 'progress',
      message: { status: 'Loaded layer', id: shortId(hexOf(diffId)), progressDetail: {} },
    }
}
