import { EngineError, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { isDigest, type Digest } from './digest.ts'
import { DistributionError } from './errors.ts'
import { Manifests, type ManifestsOptions, type PutManifest, type StoredManifest } from './manifests.ts'
import { isTag } from './names.ts'
import { refuse, type Origin } from './origin.ts'

/** Who could have a copy does not wait longer for the answer whether it is still true. */
const patienceMs = 5000

/** Manifests of a copy: by digest they are fetched once; a tag is asked for again when it is no longer fresh. */
export class CachedManifests extends Manifests {
  readonly #o: ManifestsOptions & Origin

  constructor(o: ManifestsOptions & Origin) {
    super(o)
    this.#o = o
  }

  override async find(op: Op, reference: string): Promise<StoredManifest> {
    const { pullThrough, repository } = this.#o
    const found = isDigest(reference)
      ? ((await this.#here(op, reference)) ??
        (await pullThrough.once(`${repository}@${reference}`, (each) => this.#fetch(each, reference))))
      : await this.#findTag(op, reference)
    if (!found)
      throw new DistributionError(
        'MANIFEST_UNKNOWN',
        `no manifest ${JSON.stringify(reference)} in ${repository}, nor in ${this.#o.upstream.title}`,
        { reference },
      )
    pullThrough.use.touch(found.digest)
    return found
  }

  override async promise(op: Op, reference: string): Promise<StoredManifest> {
    const found = await this.find(op, reference)
    await this.#o.holds.hold(found.digest)
    // It may have gone by its last use since it was found.
    if (!(await this.#here(op, found.digest))) await this.find(op, found.digest)
    return found
  }

  /** As for `promise`: fetched again when it went. */
  override async bytes(op: Op, digest: Digest): Promise<Buffer> {
    try {
      return await super.bytes(op, digest)
    } catch (error) {
      if (!(error instanceof DistributionError && error.code === 'MANIFEST_UNKNOWN')) throw error
      await this.find(op, digest)
      return await super.bytes(op, digest)
    }
  }

  override put(): Promise<PutManifest> {
    return refuse(this.#o)
  }

  async #findTag(op: Op, tag: string): Promise<StoredManifest | undefined> {
    const { tags, upstream, pullThrough, repository } = this.#o
    if (!isTag(tag)) return undefined
    const known = await tags.get(op, tag)
    const copy = known && (await this.#here(op, known.digest))
    const age = known && Date.now() - Date.parse(known.updatedAt)
    if (copy && age !== undefined && age >= 0 && age < upstream.settings.fresh) return copy
    if (copy && upstream.isDown) return { ...copy, stale: true }
    const asked = pullThrough.once(`${repository}:${tag}`, (each) => this.#ask(each, tag))
    if (!copy) return await asked
    const late = new EngineError('unavailable', `no answer within ${patienceMs / 1000} seconds`)
    try {
      return await within(patienceMs, asked, late)
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== 'unavailable') throw error
      op.log.warn('the upstream does not answer: an older copy is served', {
        upstream: upstream.title,
        tag,
        error: messageOf(error),
      })
      return { ...copy, stale: true }
    }
  }

  async #ask(op: Op, tag: string): Promise<StoredManifest | undefined> {
    const { tags, upstream } = this.#o
    const digest = await upstream.head(op, tag)
    const found = digest && ((await this.#here(op, digest)) ?? (await this.#fetch(op, digest)))
    if (found) await tags.set(op, tag, found.digest)
    else {
      const seen = await tags.get(op, tag)
      if (seen) await this.untag(op, { tag, digest: seen.digest, updatedAt: new Date(seen.updatedAt) })
    }
    return found
  }

  async #fetch(op: Op, digest: Digest): Promise<StoredManifest | undefined> {
    const fetched = await this.#o.upstream.manifest(op, digest)
    if (!fetched) return undefined
    try {
      await this.copy(op, fetched.data, fetched.mediaType)
    } catch (cause) {
      if (!(cause instanceof DistributionError)) throw cause
      // What is wrong with it is not the fault of whoever asked.
      throw new EngineError(
        'unavailable',
        `Cannot copy ${this.#o.upstream.title}@${digest}: ${cause.message}`,
        { cause },
      )
    }
    return await this.#here(op, digest)
  }

  async #here(op: Op, digest: Digest): Promise<StoredManifest | undefined> {
    try {
      return await super.find(op, digest)
    } catch (error) {
      if (error instanceof DistributionError && error.code === 'MANIFEST_UNKNOWN') return undefined
      throw error
    }
  }
}

/** The work goes on when its time is over; its failure is then nobody's. */
async function within<T>(ms: number, work: Promise<T>, late: Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(late), ms)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
    work.catch(() => {})
  }
}
