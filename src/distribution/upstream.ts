import type { Readable } from 'node:stream'
import { isDigest as isSha256 } from '../lib/digest.ts'
import { EngineError, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import {
  RegistryError,
  type FetchedManifest,
  type ReferrerDescriptor,
  type Registries,
  type Repository,
} from '../registry/index.ts'
import type { Digest } from './digest.ts'
import type { UpstreamSettings } from './upstream-settings.ts'

/** So long nobody asks an upstream again that did not answer, when there is a copy to serve. */
const downMs = 15_000
/** Tags of one repository that are listed. */
const maxTags = 200_000
const maxReferrers = 10_000

/** The repository of another registry that one of ours is a copy of. What it sends is untrusted: the client verifies digests and bounds. */
export class Upstream {
  readonly settings: UpstreamSettings
  /** `docker.io/library/busybox`, for people. */
  readonly title: string
  readonly #path: string
  readonly #registries: Registries
  /** Shared by all repositories of one registry. */
  readonly #health: Health

  constructor(o: { settings: UpstreamSettings; registries: Registries; name: string; health: Health }) {
    this.settings = o.settings
    const { prefix, path, registry } = o.settings
    const rest = prefix === '' ? o.name : o.name.slice(prefix.length + 1)
    this.#path = path === '' ? rest : `${path}/${rest}`
    this.title = `${registry}/${this.#path}`
    this.#registries = o.registries
    this.#health = o.health
  }

  /** It did not answer a moment ago. */
  get isDown(): boolean {
    return Date.now() < this.#health.downUntil
  }

  /** Undefined: there is no such manifest, or not for us. Throws kind `unavailable` when it does not answer. */
  async head(op: Op, tag: string): Promise<Digest | undefined> {
    return await this.#ask(op, async (remote) => (await remote.head(op, tag))?.digest)
  }

  async manifest(op: Op, digest: Digest): Promise<FetchedManifest | undefined> {
    return await this.#ask(op, (remote) => remote.manifest(op, digest))
  }

  async blobSize(op: Op, digest: Digest): Promise<number | undefined> {
    if (!isSha256(digest)) return undefined
    return await this.#ask(op, (remote) => remote.blobSize(op, digest))
  }

  async tags(op: Op): Promise<string[] | undefined> {
    return await this.#ask(op, async (remote) => {
      const tags: string[] = []
      for await (const tag of remote.tags(op)) {
        tags.push(tag)
        if (tags.length > maxTags)
          throw new RegistryError('unavailable', `it lists more than ${maxTags} tags`)
      }
      return tags
    })
  }

  /** Undefined: the upstream knows no such repository. Untrusted, but for their number. */
  async referrers(op: Op, subject: Digest): Promise<ReferrerDescriptor[] | undefined> {
    if (!isSha256(subject)) return []
    return await this.#ask(op, async (remote) => {
      const referrers: ReferrerDescriptor[] = []
      for await (const one of remote.referrers(op, subject)) {
        referrers.push(one)
        if (referrers.length > maxReferrers)
          throw new RegistryError('unavailable', `it lists more than ${maxReferrers} referrers`)
      }
      return referrers
    })
  }

  /** The bytes as they come: for the reader to verify. */
  async blob(op: Op, blob: { digest: Digest; size: number }): Promise<Readable> {
    const { digest, size } = blob
    if (!isSha256(digest)) throw new EngineError('not-found', `no blob ${digest} in ${this.title}`)
    return (await this.#remote(op)).blob(op, { digest, size })
  }

  async #remote(op: Op): Promise<Repository> {
    const { registry, login } = this.settings
    return await this.#registries.repository(op, {
      domain: registry,
      path: this.#path,
      auth: login && { ...login },
      access: 'pull',
    })
  }

  async #ask<T>(op: Op, question: (remote: Repository) => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await question(await this.#remote(op))
      this.#health.downUntil = 0
      return answer
    } catch (error) {
      op.signal.throwIfAborted()
      if (!(error instanceof EngineError)) throw error
      // Registries say 401 or 403 for what is not there, so that nobody learns what is.
      if (['not-found', 'unauthorized', 'forbidden'].includes(error.kind)) {
        if (error.kind !== 'not-found')
          op.log.info('the upstream refuses what was asked for', {
            upstream: this.title,
            error: messageOf(error),
          })
        return undefined
      }
      this.#health.downUntil = Date.now() + downMs
      throw new EngineError('unavailable', `Cannot ask ${this.title}: ${messageOf(error)}`, { cause: error })
    }
  }
}

/** When a registry that did not answer is asked again: milliseconds since 1970. */
export interface Health {
  downUntil: number
}
