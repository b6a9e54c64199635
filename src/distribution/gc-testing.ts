import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { silentLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { digestOf, type Digest } from './digest.ts'
import { FilesStorage } from './files-storage.ts'
import { Registry } from './registry.ts'
import type { Storage } from './storage.ts'

export const op = background(silentLogger)
export const imageType = 'application/vnd.oci.image.manifest.v1+json'
export const indexType = 'application/vnd.oci.image.index.v1+json'

/** A registry in a directory of its own. Without a grace period: what is garbage may go at once. */
export async function openRegistry(
  o: { graceMs?: number; storage?: Storage } = {},
): Promise<{ registry: Registry; directory: string } & AsyncDisposable> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-gc-'))
  const storage = o.storage ?? (await FilesStorage.open(join(directory, 'storage')))
  const registry = await Registry.open({
    storage,
    spool: join(directory, 'uploads'),
    graceMs: o.graceMs ?? 0,
  })
  return {
    registry,
    directory,
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export async function pushBlob(
  registry: Registry,
  name: string,
  data: Buffer = randomBytes(100),
  within: Op = op,
): Promise<{ mediaType: string; digest: Digest; size: number }> {
  const { blobs } = registry.repository(name)
  const upload = await blobs.start(within)
  await upload.append(within, Readable.from([data]), { limit: 1 << 30 })
  const digest = digestOf(data)
  await blobs.commit(within, upload, digest)
  return { mediaType: 'application/octet-stream', digest, size: data.length }
}

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

export async function pushImage(
  registry: Registry,
  name: string,
  o: { tag?: string; layers?: readonly Descriptor[]; subject?: Descriptor; artifactType?: string } = {},
): Promise<Descriptor> {
  const config = await pushBlob(registry, name)
  const layers = o.layers ?? [await pushBlob(registry, name)]
  const { subject, artifactType } = o
  return await putManifest(registry, name, {
    document: { schemaVersion: 2, mediaType: imageType, config, layers, subject, artifactType },
    tag: o.tag,
  })
}

export async function pushIndex(
  registry: Registry,
  name: string,
  o: {
    manifests: readonly Descriptor[]
    annotations?: Readonly<Record<string, string>>
    tag?: string | undefined
  },
): Promise<Descriptor> {
  const { manifests, annotations } = o
  const document = { schemaVersion: 2, mediaType: indexType, manifests, ...(annotations && { annotations }) }
  return await putManifest(registry, name, { document, tag: o.tag })
}

export async function putManifest(
  registry: Registry,
  name: string,
  o: {
    document: Readonly<Record<string, unknown>> & { readonly mediaType: string }
    tag?: string | undefined
  },
): Promise<Descriptor> {
  const { mediaType } = o.document
  const data = Buffer.from(JSON.stringify(o.document))
  const { digest } = await registry
    .repository(name)
    .manifests.put(op, data, { mediaType, digest: undefined, tag: o.tag })
  return { mediaType, digest, size: data.length }
}

/** What of an image cannot be pulled; empty: all of it is there. */
export async function missingOf(registry: Registry, name: string, digest: Digest): Promise<string[]> {
  const repository = registry.repository(name)
  const record = await repository.manifests.record(op, digest)
  if (!record) return [`manifest ${digest}`]
  const document = JSON.parse((await repository.manifests.bytes(op, digest)).toString()) as {
    config?: Descriptor
    layers?: Descriptor[]
    manifests?: Descriptor[]
  }
  const missing: string[] = []
  for (const blob of [...(document.config ? [document.config] : []), ...(document.layers ?? [])]) {
    const found = await repository.blobs.stat(op, blob.digest).catch(() => undefined)
    if (found?.size !== blob.size) missing.push(`blob ${blob.digest}`)
  }
  for (const child of document.manifests ?? [])
    missing.push(...(await missingOf(registry, name, child.digest)))
  return missing
}

/** Every key of the storage. */
export async function keysOf(registry: Registry, prefix = ''): Promise<string[]> {
  return (await Array.fromAsync(registry.storage.list(op, prefix))).map((entry) => entry.key)
}
