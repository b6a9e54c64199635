import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import type { Digest } from '../lib/digest.ts'
import { EngineError, kindOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { repositoryOf, withDefaultTag, type Reference } from '../lib/reference.ts'
import type { FetchedManifest, Registries, Repository } from '../registry/index.ts'
import type { AuthConfig, Platform } from '../wire/registry.ts'
import { decodeConfig, decodeJson, maxConfigSize } from './config.ts'
import { dockerTypes, ociTypes } from './manifest.ts'
import { accessError } from './pull.ts'
import { blobDescriptor } from './registry-manifest.ts'

/** Who asks, for each registry. */
export type AuthOf = (domain: string) => AuthConfig | undefined

/** Whatever leads to blobs or to further manifests. */
const anyManifest = z.object({
  config: blobDescriptor.nullish(),
  layers: z.array(blobDescriptor).max(1000).nullish(),
  manifests: z.array(blobDescriptor).max(1000).nullish(),
})

const maxDepth = 4

/** What a reference leads to, and for which platform, if it is one image. */
export async function readManifest(
  op: Op,
  ref: Reference,
  o: { registries: Registries; auth: AuthOf; insecure?: boolean },
): Promise<{ manifest: FetchedManifest; platform: Platform | undefined }> {
  const reference = withDefaultTag(ref)
  const repository = await openFor(op, reference, { ...o, access: 'pull' })
  try {
    const manifest = await repository.manifest(op, reference.digest ?? reference.tag ?? 'latest')
    const { config } = decode(manifest)
    const isImage = config?.mediaType === ociTypes.config || config?.mediaType === dockerTypes.config
    return { manifest, platform: isImage ? await platformOf(op, repository, config) : undefined }
  } catch (error) {
    throw accessError(error, reference)
  }
}

async function platformOf(
  op: Op,
  repository: Repository,
  config: z.infer<typeof blobDescriptor>,
): Promise<Platform> {
  if (config.size > maxConfigSize)
    throw new EngineError('invalid', `configuration ${config.digest} is too large`)
  const data = await buffer(repository.blob(op, config))
  const { os, architecture, variant } = decodeConfig(data, config.digest)
  return { os, architecture, ...(variant !== undefined && variant !== '' && { variant }) }
}

/**
 * Puts a manifest under a tag. What it leads to and the repository lacks is brought along from those of `sources`:
 * mounted in the same registry, else copied through here.
 */
export async function writeManifest(
  op: Op,
  ref: Reference,
  o: {
    registries: Registries
    auth: AuthOf
    insecure?: boolean
    mediaType: string
    data: Buffer
    sources: readonly Reference[]
  },
): Promise<Digest> {
  const reference = withDefaultTag(ref)
  if (reference.digest !== undefined) throw new EngineError('invalid', 'cannot push to a digest reference')
  const target = await openFor(op, reference, { ...o, access: 'push' })
  const sources: Source[] = []
  for (const source of new Map(o.sources.map((each) => [repositoryOf(each), each])).values())
    sources.push({
      reference: source,
      repository: await openFor(op, source, { ...o, access: 'pull' }),
      sameRegistry: source.domain === reference.domain,
    })
  const manifest = decodeJson(o.data, { schema: anyManifest, what: 'the manifest' })
  await bring(op, manifest, { target, sources, depth: 0 })
  return await target.putManifest(op, reference.tag ?? 'latest', { mediaType: o.mediaType, data: o.data })
}

interface Source {
  readonly reference: Reference
  readonly repository: Repository
  readonly sameRegistry: boolean
}

interface Bringing {
  readonly target: Repository
  readonly sources: readonly Source[]
  readonly depth: number
}

async function bring(op: Op, manifest: z.infer<typeof anyManifest>, b: Bringing): Promise<void> {
  if (b.depth > maxDepth) throw new EngineError('invalid', 'the manifest leads to indexes nested too deeply')
  for (const blob of [manifest.config, ...(manifest.layers ?? [])]) if (blob) await bringBlob(op, blob, b)
  for (const { digest } of manifest.manifests ?? []) {
    if (await b.target.head(op, digest)) continue
    const found = await firstThatHas(op, b.sources, digest)
    // Its blobs are where it is.
    const sources = [found.source, ...b.sources.filter((source) => source !== found.source)]
    await bring(op, decode(found.manifest), { ...b, sources, depth: b.depth + 1 })
    await b.target.putManifest(op, digest, found.manifest)
  }
}

async function bringBlob(op: Op, blob: z.infer<typeof blobDescriptor>, b: Bringing): Promise<void> {
  if (await b.target.hasBlob(op, blob.digest)) return
  const from = b.sources.filter((source) => source.sameRegistry).map((source) => source.reference.path)
  for (const [index, { repository }] of b.sources.entries())
    try {
      await b.target.upload(op, { blob, from, open: () => repository.blob(op, blob) })
      return
    } catch (error) {
      if (kindOf(error) !== 'not-found' || index === b.sources.length - 1) throw error
    }
  throw new EngineError('not-found', `blob ${blob.digest} is in none of the sources`)
}

async function firstThatHas(
  op: Op,
  sources: readonly Source[],
  digest: Digest,
): Promise<{ source: Source; manifest: FetchedManifest }> {
  for (const source of sources)
    try {
      return { source, manifest: await source.repository.manifest(op, digest) }
    } catch (error) {
      if (kindOf(error) !== 'not-found') throw accessError(error, source.reference)
    }
  throw new EngineError('not-found', `manifest ${digest} is in none of the sources`)
}

function openFor(
  op: Op,
  reference: Reference,
  o: { registries: Registries; auth: AuthOf; access: 'pull' | 'push'; insecure?: boolean },
): Promise<Repository> {
  const { domain, path } = reference
  const { access, insecure = false } = o
  return o.registries.repository(op, { domain, path, auth: o.auth(domain), access, insecure })
}

function decode(manifest: FetchedManifest): z.infer<typeof anyManifest> {
  return decodeJson(manifest.data, { schema: anyManifest, what: `manifest ${manifest.digest}` })
}
