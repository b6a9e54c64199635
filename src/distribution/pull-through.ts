import { mkdir, rm } from 'node:fs/promises'
import { EngineError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { plainSettings, Registries, type Proxies } from '../registry/index.ts'
import { CacheUse } from './cache-use.ts'
import type { Digest } from './digest.ts'
import { Download } from './download.ts'
import type { Holds } from './holds.ts'
import { blobKey, linkKey } from './layout.ts'
import type { Storage } from './storage.ts'
import { Upstream, type Health } from './upstream.ts'
import type { PullThroughSettings } from './upstream-settings.ts'

/** A failed answer is soon given by somebody who can wait no longer: few tries. */
const attempts = 3

interface UnderWay {
  readonly download: Download
  /** Those whose upstream has it. */
  readonly repositories: Set<string>
}

/** Copies of other registries' repositories: which of our names are copies, of what, and what is on its way. One for each registry. */
export class PullThrough implements AsyncDisposable {
  readonly settings: PullThroughSettings
  readonly use = new CacheUse()
  readonly #directory: string
  readonly #maxBlobSize: number
  readonly #registries: Registries
  readonly #health = new Map<string, Health>()
  readonly #downloads = new Map<Digest, UnderWay>()
  readonly #asking = new Map<string, Promise<unknown>>()
  readonly #stop = new AbortController()
  readonly #op: Op

  private constructor(o: {
    settings: PullThroughSettings
    directory: string
    /** Larger blobs are not copied, and not served. */
    maxBlobSize?: number
    proxies: Proxies
    log: Logger
  }) {
    this.settings = o.settings
    this.#directory = o.directory
    this.#maxBlobSize = o.maxBlobSize ?? Infinity
    this.#registries = new Registries({
      ...plainSettings,
      proxies: o.proxies,
      attempts,
      insecure: o.settings.upstreams.filter((one) => one.insecure).map((one) => one.registry),
    })
    this.#op = background(o.log, this.#stop.signal)
  }

  /** `directory`: for blobs on their way; with files storage in the file system of its root. */
  static async open(o: {
    settings: PullThroughSettings
    directory: string
    /** Larger blobs are not copied, and not served. */
    maxBlobSize?: number
    proxies: Proxies
    log: Logger
  }): Promise<PullThrough> {
    // What a killed process was downloading.
    await rm(o.directory, { recursive: true, force: true })
    await mkdir(o.directory, { recursive: true, mode: 0o700 })
    return new PullThrough(o)
  }

  /** What a repository of ours is a copy of; undefined when it is our own. */
  upstreamOf(name: string): Upstream | undefined {
    let best: PullThroughSettings['upstreams'][number] | undefined
    for (const one of this.settings.upstreams)
      if (
        (one.prefix === '' || name.startsWith(`${one.prefix}/`)) &&
        (best === undefined || one.prefix.length > best.prefix.length)
      )
        best = one
    if (!best) return undefined
    let health = this.#health.get(best.registry)
    if (!health) this.#health.set(best.registry, (health = { downUntil: 0 }))
    return new Upstream({ settings: best, registries: this.#registries, name, health })
  }

  /** The download of a blob that the upstream has: the one under way, or a new one. It goes on without those who wanted it. */
  download(
    upstream: Upstream,
    o: { repository: string; digest: Digest; size: number; storage: Storage; holds: Holds },
  ): Download {
    const { digest, size, storage, holds, repository } = o
    const known = this.#downloads.get(digest)
    known?.repositories.add(repository)
    if (known) return known.download
    if (size > this.#maxBlobSize)
      throw new EngineError(
        'unavailable',
        `blob ${digest} of ${upstream.title} has ${size} bytes: more than the ${this.#maxBlobSize} bytes allowed here`,
      )
    const repositories = new Set([repository])
    const download = new Download(this.#op, {
      digest,
      size,
      directory: this.#directory,
      source: (op) => upstream.blob(op, { digest, size }),
      keep: async (file) => {
        await holds.hold(digest)
        const link = (name: string) => storage.write(this.#op, linkKey(name, digest), new Uint8Array())
        // Links first: they keep the blob.
        for (const name of repositories) await link(name)
        await storage.place(this.#op, blobKey(digest), file, size)
        this.use.touch(digest)
      },
    })
    this.#downloads.set(digest, { download, repositories })
    download.done
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          this.#op.log.warn('a blob of an upstream could not be copied', {
            upstream: upstream.title,
            digest,
            error,
          })
      })
      .finally(() => this.#downloads.delete(digest))
    return download
  }

  /** A blob that the repository has, as its upstream said, and that is on its way. */
  underWay(repository: string, digest: Digest): Download | undefined {
    const known = this.#downloads.get(digest)
    return known?.repositories.has(repository) === true ? known.download : undefined
  }

  /** Does equal work once for all who want it at the same time; none of them ends it by going. */
  async once<T>(key: string, work: (op: Op) => Promise<T>): Promise<T> {
    // The key tells what the work gives.
    const known = this.#asking.get(key) as Promise<T> | undefined
    if (known) return await known
    const asked = work(this.#op).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asked)
    return await asked
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled([
      ...this.#asking.values(),
      ...[...this.#downloads.values()].map((one) => one.download.done),
    ])
    this.#registries.close()
  }
}
