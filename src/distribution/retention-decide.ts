import type { Digest } from './digest.ts'
import type { RetentionRule } from './retention-policy.ts'

/** What a repository has, as far as rules look at it. */
export interface Contents {
  readonly tags: readonly { readonly tag: string; readonly digest: Digest; readonly updatedAt: Date }[]
  readonly manifests: ReadonlyMap<Digest, ManifestFacts>
}

export interface ManifestFacts {
  readonly pushedAt: Date
  readonly subject: Digest | undefined
  /** Manifests of an index. */
  readonly children: readonly Digest[]
}

/** Of one tag, or of one manifest. */
export interface Decision {
  readonly tag?: string
  readonly digest: Digest
  readonly keep: boolean
  /** A sentence's end: `kept, because …`. */
  readonly reason: string
}

export interface Decisions {
  readonly tags: readonly (Decision & { readonly tag: string })[]
  readonly manifests: readonly Decision[]
}

/** Where registries without the referrers API have what refers to a manifest ("Referrers Tag Schema"), and cosign its signatures. */
const referrersTag = /^(sha256|sha512)-([0-9a-f]{64,128})(?:\.[A-Za-z0-9._-]+)?$/

/**
 * What a rule makes of a repository. Tags first; then manifests: with a tag that stays they stay, and so does what they lead to,
 * children of an index and referrers of a subject. What only removed ones lead to goes with them. The rest has no tag and belongs to
 * nothing: it goes when it is old enough.
 */
export function decide(
  contents: Contents,
  rule: RetentionRule,
  o: { now: number; graceMs: number },
): Decisions {
  const tags = decideTags(contents, rule, o.now)
  return { tags, manifests: decideManifests(contents, rule, { ...o, tags }) }
}

function decideTags(contents: Contents, rule: RetentionRule, now: number): Decisions['tags'] {
  const newest = contents.tags.toSorted(
    (a, b) => b.updatedAt.getTime() - a.updatedAt.getTime() || (a.tag < b.tag ? -1 : 1),
  )
  let rank = 0
  return newest
    .filter(({ tag }) => !referrersTag.test(tag))
    .map(({ tag, digest, updatedAt }) => {
      const decision = (keep: boolean, reason: string) => ({ tag, digest, keep, reason })
      const kept = rule.keepTags.find((pattern) => pattern.glob.test(tag))
      if (kept) return decision(true, `it matches keepTags ${JSON.stringify(kept.text)}`)
      const removed = rule.removeTags.find((pattern) => pattern.glob.test(tag))
      if (!removed) return decision(true, 'no pattern of removeTags matches it')
      rank++
      if (rule.keepLast !== undefined && rank <= rule.keepLast)
        return decision(true, `it is number ${rank} of the newest ${rule.keepLast}`)
      const age = now - updatedAt.getTime()
      if (rule.keepWithin !== undefined && age <= rule.keepWithin)
        return decision(true, `it was set ${inWords(age)} ago, within ${inWords(rule.keepWithin)}`)
      const limits = [
        ...(rule.keepLast === undefined ? [] : [`it is number ${rank}, beyond the newest ${rule.keepLast}`]),
        ...(rule.keepWithin === undefined
          ? []
          : [`it was set ${inWords(age)} ago, not within ${inWords(rule.keepWithin)}`]),
      ]
      return decision(false, limits.join(', and ') || `it matches removeTags ${JSON.stringify(removed.text)}`)
    })
}

function decideManifests(
  contents: Contents,
  rule: RetentionRule,
  o: { tags: Decisions['tags']; now: number; graceMs: number },
): Decision[] {
  const { manifests } = contents
  const leadsTo = edgesOf(contents)
  const led = new Set([...leadsTo.values()].flat())
  const reasons = new Map<Digest, { keep: boolean; reason: string }>()
  /** The first reason counts; what follows from it does, too. */
  const follow = (from: Digest, keep: boolean, reason: string) => {
    const next: [Digest, string][] = [[from, reason]]
    for (let one = next.pop(); one; one = next.pop()) {
      const [digest, why] = one
      if (!manifests.has(digest) || reasons.has(digest)) continue
      reasons.set(digest, { keep, reason: why })
      const short = digest.slice(0, 19)
      for (const other of leadsTo.get(digest) ?? [])
        next.push([other, `it belongs to ${short}, which ${keep ? 'stays' : 'goes'}`])
    }
  }
  for (const { tag, digest, keep } of o.tags) if (keep) follow(digest, true, `the tag ${tag} stays`)
  const young = (digest: Digest) => o.now - (manifests.get(digest)?.pushedAt.getTime() ?? 0) < o.graceMs
  for (const digest of manifests.keys()) if (young(digest)) follow(digest, true, 'it was pushed just now')
  const referring = new Set(
    contents.tags.filter(({ tag }) => referrersTag.test(tag)).map((one) => one.digest),
  )
  const untagged = (digest: Digest) => {
    const state = referring.has(digest) ? 'what it refers to is not here' : 'it has no tag'
    const age = o.now - (manifests.get(digest)?.pushedAt.getTime() ?? 0)
    if (rule.removeUntagged === undefined)
      return { keep: true, reason: `${state}, and removeUntagged is not set` }
    const old = age > rule.removeUntagged
    const limit = inWords(rule.removeUntagged)
    return {
      keep: !old,
      reason: `${state}, and it was pushed ${inWords(age)} ago, ${old ? 'not ' : ''}within ${limit}`,
    }
  }
  const lostTag = new Set(o.tags.filter((one) => !one.keep).map((one) => one.digest))
  const alone = [...manifests.keys()].filter((digest) => !led.has(digest) && !lostTag.has(digest))
  // Whatever stays has the first word about what both lead to.
  for (const keep of [true, false]) {
    if (!keep) for (const digest of lostTag) follow(digest, false, 'its last tag goes')
    for (const digest of alone) {
      const verdict = untagged(digest)
      if (verdict.keep === keep) follow(digest, keep, verdict.reason)
    }
  }
  for (const digest of manifests.keys()) {
    const verdict = untagged(digest)
    follow(digest, verdict.keep, verdict.reason)
  }
  return [...reasons].map(([digest, verdict]) => ({ digest, ...verdict }))
}

/** From an index to its children, and from a subject to its referrers, be they told by themselves or by a tag. */
function edgesOf(contents: Contents): Map<Digest, Digest[]> {
  const edges = new Map<Digest, Digest[]>()
  const add = (from: Digest, to: Digest) => {
    const known = edges.get(from)
    if (known) known.push(to)
    else edges.set(from, [to])
  }
  for (const [digest, { subject, children }] of contents.manifests) {
    for (const child of children) add(digest, child)
    if (subject && contents.manifests.has(subject)) add(subject, digest)
  }
  for (const { tag, digest } of contents.tags) {
    const [, algorithm, hex] = referrersTag.exec(tag) ?? []
    const subject = `${algorithm}:${hex}` as Digest
    if (algorithm !== undefined && contents.manifests.has(subject)) add(subject, digest)
  }
  return edges
}

function inWords(ms: number): string {
  const minutes = ms / 60_000
  if (minutes < 2) return `${Math.round(ms / 1000)} s`
  if (minutes < 120) return `${Math.round(minutes)} min`
  const hours = minutes / 60
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`
}
