import { z } from 'zod'
import { digestSchema } from '../lib/digest-schema.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { canonical, parseReference } from '../lib/reference.ts'
import { cleanName, type ArchiveStore } from './archive-files.ts'
import { decodeJson } from './config.ts'

/** Bytes of the documents in an archive. */
export const maxJsonSize = 8 << 20
const maxImages = 1000

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
export interface Described {
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

const descriptor = z.object({
  mediaType: z.string().optional(),
  digest: digestSchema,
  platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
  annotations: z.record(z.string(), z.string()).nullish(),
})
const indexType = /image\.index|manifest\.list/
const index = z.object({ manifests: z.array(descriptor).max(maxImages) })
const manifest = z.object({ config: descriptor, layers: z.array(descriptor).max(500) })

/** The images of an archive whose files are stored: from docker's manifest.json, or the index of an OCI layout. */
export async function describeArchive(
  files: ReadonlyMap<string, Digest>,
  host: ArchiveStore,
): Promise<Described[]> {
  // manifest.json has one platform of an image; docker writes both, and the index says more where it has more.
  const docker = files.has('manifest.json') && !(await hasIndexes(files, host))
  return docker ? await describeDocker(files, host) : await describeOci(files, host)
}

async function hasIndexes(files: ReadonlyMap<string, Digest>, host: ArchiveStore): Promise<boolean> {
  const top = files.get('index.json')
  if (!top) return false
  const data = await host.content.bytes(top, maxJsonSize)
  const { manifests } = decodeJson(data, { schema: index, what: 'index.json' })
  return manifests.some((item) => indexType.test(item.mediaType ?? ''))
}

async function describeDocker(files: ReadonlyMap<string, Digest>, host: ArchiveStore): Promise<Described[]> {
  const lookUp = (path: string): Digest => {
    const found = files.get(cleanName(path, 'manifest.json'))
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

async function describeOci(files: ReadonlyMap<string, Digest>, host: ArchiveStore): Promise<Described[]> {
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
