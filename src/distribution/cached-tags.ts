import { EngineError, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { hexOf, isDigest, type Digest } from './digest.ts'
import { isTag } from './names.ts'
import type { Origin } from './origin.ts'
import type { ReferrerRecord } from './records.ts'
import { sortTags, Tags, type TagsOptions } from './tags.ts'

/** Tags of a copy: those that the upstream has; while it does not answer, those that were asked for. */
export class CachedTags extends Tags {
  readonly #o: TagsOptions & Origin

  constructor(o: TagsOptions & Origin) {
    super(o)
    this.#o = o
  }

  override async sorted(op: Op, after?: string): Promise<string[]> {
    const { upstream, pullThrough, repository } = this.#o
    try {
      const tags = await pullThrough.once(`${repository}/tags`, (each) => upstream.tags(each))
      return sortTags((tags ?? []).filter(isTag), after)
    } catch (error) {
      const known = await super.sorted(op, after)
      if (known.length === 0 || !(error instanceof EngineError) || error.kind !== 'unavailable') throw error
      op.log.warn('the upstream does not answer: the tags of copies are listed', {
        upstream: upstream.title,
        error: messageOf(error),
      })
      return known
    }
  }
}

/** What the upstream lists; undefined when it does not answer. In order of their hex digits. */
export async function upstreamReferrers(
  op: Op,
  o: Origin & { repository: string; subject: Digest },
): Promise<ReferrerRecord[] | undefined> {
  const { upstream, pullThrough, repository, subject } = o
  try {
    const found = await pullThrough.once(`${repository}>${subject}`, (each) =>
      upstream.referrers(each, subject),
    )
    return (found ?? [])
      .flatMap((one) => (isDigest(one.digest) ? [{ ...one, digest: one.digest }] : []))
      .toSorted((a, b) => (hexOf(a.digest) < hexOf(b.digest) ? -1 : 1))
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== 'unavailable') throw error
    op.log.warn('the upstream does not answer: referrers of copies are listed', {
      upstream: upstream.title,
      error: messageOf(error),
    })
    return undefined
  }
}
