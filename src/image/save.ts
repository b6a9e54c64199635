import { Readable } from 'node:stream'
import { hexOf, type Digest } from '../lib/digest.ts'
import { familiar, familiarName, parseReference } from '../lib/reference.ts'
import type { Op } from '../lib/op.ts'
import { decompress } from '../host/decompress.ts'
import type { ContentStore } from '../content/index.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import { blob, endOfArchive, file, folders, json, pathOf } from './archive-writer.ts'
import type { Image } from './config.ts'
import type { IndexRecord } from './indexes.ts'
import { ociTypes, type Descriptor } from './manifest.ts'
import { ownManifest } from './own-manifest.ts'
import { maxManifest, partsOf } from './registry-manifest.ts'

export interface SavedImage {
  readonly image: Image
  /** Canonical names that go with it. */
  readonly refs: Set<string>
}

/** What names stand for that mean images of several platforms. */
export interface SavedIndex {
  readonly index: IndexRecord
  readonly refs: ReadonlySet<string>
}

interface Host {
  readonly content: ContentStore
  readonly snapshots: Snapshots
}

/** An OCI layout with docker's manifest.json and `repositories`: every docker, podman and containerd loads it. */
export function saveArchive(
  op: Op,
  o: { images: readonly SavedImage[]; indexes: readonly SavedIndex[] },
  host: Host,
): Readable {
  return Readable.from(archive(op, o, host), { objectMode: false })
}

async function* archive(
  op: Op,
  { images, indexes }: Parameters<typeof saveArchive>[1],
  host: Host,
): AsyncGenerator<Buffer> {
  const written = new Set<Digest>()
  const manifests: Descriptor[] = []
  const dockerManifest: object[] = []
  const repositories: Record<string, Record<string, string>> = {}

  yield* folders()
  for (const { image, refs } of images) {
    const { descriptor: manifest, data, config, layers } = await ownManifest(op, image, host)
    for (const [position, layer] of layers.entries()) {
      const diffId = image.layers[position]
      if (diffId === undefined || written.has(layer.digest)) continue
      yield* blob(layer, await layerStream(op, { diffId, layer, host }))
      written.add(layer.digest)
    }
    if (!written.has(image.id)) yield* blob(config, host.content.read(image.id))
    written.add(image.id)
    if (!written.has(manifest.digest)) yield* blob(manifest, Readable.from([data]))
    written.add(manifest.digest)

    const names = [...refs].toSorted()
    if (names.length === 0) manifests.push(manifest)
    for (const name of names) {
      const { tag = 'latest' } = parseReference(name)
      if (!indexes.some((one) => one.refs.has(name))) manifests.push(named(manifest, name))
      const top = layers.at(-1)
      if (top) (repositories[familiarName(parseReference(name))] ??= {})[tag] = hexOf(top.digest)
    }
    dockerManifest.push({
      Config: pathOf(image.id),
      RepoTags: names.map((name) => familiar(parseReference(name))),
      Layers: layers.map((layer) => pathOf(layer.digest)),
      LayerSources: Object.fromEntries(image.layers.map((diffId, position) => [diffId, layers[position]])),
    })
  }
  for (const { index, refs } of indexes) {
    for (const blobs of await partsOfIndex(index, host))
      for (const digest of blobs) {
        if (written.has(digest)) continue
        yield* blob({ digest, size: await host.content.size(digest) }, host.content.read(digest))
        written.add(digest)
      }
    const { digest, mediaType } = index
    const top = { mediaType, digest, size: await host.content.size(digest) }
    manifests.push(...[...refs].toSorted().map((name) => named(top, name)))
  }
  yield* file('index.json', json({ schemaVersion: 2, mediaType: ociTypes.index, manifests }))
  yield* file('manifest.json', json(dockerManifest))
  yield* file('oci-layout', json({ imageLayoutVersion: '1.0.0' }))
  yield* file('repositories', json(repositories))
  yield endOfArchive
}

function named(item: Descriptor, name: string): Descriptor {
  const { tag = 'latest' } = parseReference(name)
  return {
    ...item,
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag },
  }
}

/** The blobs of an index as it came; of its images those of which every blob is here. Layouts may leave others out. */
async function partsOfIndex(index: IndexRecord, { content }: Host): Promise<Digest[][]> {
  const all: Digest[][] = [[index.digest], [...index.blobs]]
  for (const { manifest } of index.members) {
    const parts = [manifest]
    if (await content.has(manifest))
      parts.push(...partsOf(await content.bytes(manifest, maxManifest), manifest).map(({ digest }) => digest))
    const here = await Promise.all(parts.map((digest) => content.has(digest)))
    if (here.every(Boolean)) all.push(parts)
  }
  return all
}

async function layerStream(op: Op, o: { diffId: DiffId; layer: Descriptor; host: Host }): Promise<Readable> {
  const source = o.host.snapshots.layer(o.diffId)?.blob
  if (source === undefined) return o.host.snapshots.tar(op, o.diffId)
  const stored = o.host.content.read(source)
  return source === o.layer.digest ? stored : await decompress(op, stored)
}
