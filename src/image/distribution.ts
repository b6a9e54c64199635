import { buffer } from 'node:stream/consumers'
import type { ContentStore } from '../content/index.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError, kindOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import {
  canonical,
  familiar,
  parseReference,
  repositoryOf,
  withDefaultTag,
  type Reference,
} from '../lib/reference.ts'
import type { Registries, RegistrySettings } from '../registry/index.ts'
import type { Snapshots } from '../snapshot/index.ts'
import type { Leases, Store } from '../store/index.ts'
import type {
  AuthConfig,
  AuthResponse,
  DistributionInspect,
  Platform,
  SearchResult,
} from '../wire/registry.ts'
import type { PullHost } from './bring-image.ts'
import { decodeConfig, maxConfigSize, type Image } from './config.ts'
import type { LayerNews } from './fetch-layer.ts'
import type { Images } from './images.ts'
import type { LayerBlob } from './layer-blobs.ts'
import { LayerSources } from './layer-sources.ts'
import type { Document } from './manifest.ts'
import { readManifest, writeManifest, type AuthOf } from './manifest-transfer.ts'
import { parsePlatform, platformOf, suits } from './platform.ts'
import { accessError, pullImage, type Pulled, type PullOptions } from './pull.ts'
import { pushBegins, pushDocuments, pushImage, type PushHost, type PushOptions } from './push.ts'
import { decodeManifest } from './registry-manifest.ts'
import { SharedWork } from './shared-work.ts'

/** Images on their way between here and registries. */
export class Distribution {
  readonly #host: PullHost & PushHost & { downloads: number; uploads: number }

  constructor(o: {
    registries: Registries
    images: Images
    content: ContentStore
    snapshots: Snapshots
    leases: Leases
    store: Store
    downloads: number
    uploads: number
  }) {
    const sources = new LayerSources(o.store)
    sources.keep({ has: (diffId) => o.snapshots.layer(diffId) !== undefined })
    this.#host = { ...o, sources, layers: new SharedWork<string, LayerNews, void>() }
  }

  /** From the next transfer on. */
  reconfigure(o: {
    registries: Pick<RegistrySettings, 'mirrors' | 'insecure' | 'attempts'>
    downloads: number
    uploads: number
  }): void {
    this.#host.registries.reconfigure(o.registries)
    this.#host.downloads = o.downloads
    this.#host.uploads = o.uploads
  }

  /** Pulls one tag (`latest` where none is given) or digest. `platform` may be `all`: the index with everything in it. */
  async pull(op: Op, ref: string, o: Omit<PullOptions, 'platform'> & { platform?: string }): Promise<Pulled> {
    const { platform, ...rest } = o
    const wanted = platform === 'all' ? platform : platform ? parsePlatform(platform) : undefined
    return await pullImage(op, parseReference(ref), { ...rest, platform: wanted, host: this.#host })
  }

  /** Pulls every tag of a repository. */
  async pullAll(
    op: Op,
    ref: string,
    o: Omit<PullOptions, 'platform'> & { platform?: string },
  ): Promise<Pulled[]> {
    const reference = parseReference(ref)
    if (reference.tag !== undefined || reference.digest !== undefined)
      throw new EngineError('invalid', 'tag can’t be used with --all-tags/-a')
    const repository = await this.#host.registries.repository(op, {
      ...reference,
      auth: o.auth,
      access: 'pull',
    })
    const pulled: Pulled[] = []
    try {
      for await (const tag of repository.tags(op))
        pulled.push(await this.pull(op, `${repositoryOf(reference)}:${tag}`, o))
    } catch (error) {
      throw accessError(error, reference)
    }
    if (pulled.length === 0)
      throw new EngineError('not-found', `repository ${repositoryOf(reference)} has no tags`)
    return pulled
  }

  /**
   * The image that a name leads to here; pulled when it is missing, is for another platform than asked for, or `always`.
   * Unreachable registries are no failure while the image is here (`always` excepted).
   */
  async ensure(
    op: Op,
    ref: string,
    o: Omit<PullOptions, 'platform'> & { platform?: string | undefined; always: boolean },
  ): Promise<Image> {
    const { platform, always, ...rest } = o
    const here = this.#find(ref, platform ? parsePlatform(platform) : undefined)
    if (here && !always && (!platform || suits(platformOf(here.config), parsePlatform(platform)))) return here
    return (await this.pull(op, ref, { ...rest, ...(platform && { platform }) })).image
  }

  /** Pushes one tag. */
  async push(op: Op, ref: string, o: PushOptions): Promise<{ digest: string; size: number }> {
    const reference = parseReference(ref)
    if (reference.digest !== undefined) throw new EngineError('invalid', 'cannot push a digest reference')
    const named = withDefaultTag(reference)
    if (this.#host.images.idOf(canonical(named)) === undefined) {
      o.report(pushBegins(reference))
      this.#tagsOf(reference)
      throw new EngineError('not-found', `tag does not exist: ${familiar(named)}`)
    }
    return await pushImage(op, named, { ...o, host: this.#host })
  }

  /** Pushes every tag of a repository. */
  async pushAll(op: Op, ref: string, o: PushOptions): Promise<void> {
    const tags = this.#tagsOf(parseReference(ref))
    for (const tag of tags) await this.push(op, tag, o)
  }

  /** Pushes what is not, or not only, an image of the store: see `pushDocuments`. */
  async pushDocuments(
    op: Op,
    reference: Reference,
    o: PushOptions & {
      layers: readonly LayerBlob[]
      configs: readonly Document[]
      manifests: readonly Document[]
    },
  ): Promise<void> {
    await pushDocuments(op, withDefaultTag(reference), { ...o, host: this.#host })
  }

  /** What a reference leads to at its registry, without pulling it. */
  async inspect(op: Op, ref: string, o: { auth: AuthConfig | undefined }): Promise<DistributionInspect> {
    const reference = withDefaultTag(parseReference(ref))
    const repository = await this.#host.registries.repository(op, {
      ...reference,
      auth: o.auth,
      access: 'pull',
    })
    try {
      const found = await repository.manifest(op, reference.digest ?? reference.tag ?? 'latest')
      const { mediaType, digest, data } = found
      const Descriptor = { mediaType, digest, size: data.length }
      const manifest = decodeManifest(found, ref)
      if (manifest.kind === 'index')
        return { Descriptor, Platforms: manifest.images.flatMap(({ platform }) => platform ?? []) }
      const { config } = manifest
      if (config.size > maxConfigSize)
        throw new EngineError('invalid', `the configuration of ${ref} is too large`)
      const image = decodeConfig(await buffer(repository.blob(op, config)), ref)
      return { Descriptor, Platforms: [platformOf(image)] }
    } catch (error) {
      throw accessError(error, reference)
    }
  }

  /** A manifest as its registry keeps it. */
  readManifest(
    op: Op,
    reference: Reference,
    o: { auth: AuthOf; insecure: boolean },
  ): ReturnType<typeof readManifest> {
    return readManifest(op, reference, { ...o, registries: this.#host.registries })
  }

  /** Puts a manifest under a tag, with what it leads to; see `writeManifest`. */
  writeManifest(
    op: Op,
    reference: Reference,
    o: { auth: AuthOf; insecure: boolean; mediaType: string; data: Buffer; sources: readonly Reference[] },
  ): Promise<Digest> {
    return writeManifest(op, reference, { ...o, registries: this.#host.registries })
  }

  /** For all who speak to registries themselves. */
  get registries(): Registries {
    return this.#host.registries
  }

  login(op: Op, auth: AuthConfig): Promise<AuthResponse> {
    return this.#host.registries.login(op, auth)
  }

  search(op: Op, o: { term: string; limit: number; auth: AuthConfig | undefined }): Promise<SearchResult[]> {
    return this.#host.registries.search(op, o)
  }

  close(): void {
    this.#host.registries.close()
  }

  /** Docker's text where a repository has none: nothing was ever tagged so. */
  #tagsOf(reference: Reference): string[] {
    const repository = repositoryOf(reference)
    const tags = this.#host.images
      .list()
      .flatMap((image) => image.refs)
      .filter((name) => name.startsWith(`${repository}:`))
    if (tags.length > 0) return tags.toSorted()
    throw new EngineError('not-found', `An image does not exist locally with the tag: ${repository}`)
  }

  #find(ref: string, platform: Platform | undefined): Image | undefined {
    try {
      return this.#host.images.find(ref, { platform })
    } catch (error) {
      if (kindOf(error) === 'not-found') return undefined
      throw error
    }
  }
}
