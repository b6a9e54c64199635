import { group } from '../lib/group.ts'
import type { Op } from '../lib/op.ts'
import type { Digest } from './digest.ts'
import { referencesOf } from './gc-mark.ts'
import { digestOfKey, manifestsPrefix } from './layout.ts'
import type { ManifestRecord } from './records.ts'
import type { Registry } from './registry.ts'
import { decide, type Contents, type Decision, type ManifestFacts } from './retention-decide.ts'
import { ruleFor, type RetentionPolicy, type RetentionRule } from './retention-policy.ts'

export interface RetainOptions {
  readonly policy: RetentionPolicy
  /** Nothing is removed; the result says what would be. */
  readonly dryRun?: boolean
  /** Is told each decision, with its reason. */
  readonly explain?: (one: Decision & { repository: string; rule: string }) => void
}

/** What the rules removed, or would have. */
export interface Retained {
  readonly dryRun: boolean
  /** Those that have a rule. */
  repositories: number
  tagsKept: number
  tagsRemoved: number
  manifestsKept: number
  manifestsRemoved: number
}

/** Records that are read at the same time. */
const readsAtOnce = 16

/**
 * Removes tags and manifests by rules, while the registry is in use; a collection frees their space. What is pushed, or promised to a
 * push, while this runs, stays: it is decided on what was there before.
 */
export async function retain(op: Op, registry: Registry, o: RetainOptions): Promise<Retained> {
  const result: Retained = {
    dryRun: o.dryRun ?? false,
    repositories: 0,
    tagsKept: 0,
    tagsRemoved: 0,
    manifestsKept: 0,
    manifestsRemoved: 0,
  }
  for await (const name of registry.repositories(op)) {
    // What is only a copy would come back with its next pull.
    const rule = registry.isCopy(name) ? undefined : ruleFor(o.policy, name)
    if (!rule) continue
    result.repositories++
    await retainRepository(op, registry, { ...o, name, rule, result })
  }
  return result
}

async function retainRepository(
  op: Op,
  registry: Registry,
  o: RetainOptions & { name: string; rule: RetentionRule; result: Retained },
): Promise<void> {
  const { name, rule, result } = o
  const begun = Date.now()
  const contents = await contentsOf(op, registry, name)
  const decisions = decide(contents, rule, { now: begun, graceMs: registry.holds.graceMs })
  for (const one of [...decisions.tags, ...decisions.manifests])
    o.explain?.({ ...one, repository: name, rule: rule.name })
  const { manifests } = registry.repository(name)
  const going = new Set(decisions.manifests.filter((one) => !one.keep).map((one) => one.digest))
  const tagsOf = Map.groupBy(contents.tags, (tag) => tag.digest)
  for (const tag of decisions.tags) {
    if (tag.keep) result.tagsKept++
    else {
      result.tagsRemoved++
      // Of a manifest that goes, they go with it.
      const seen = going.has(tag.digest) ? undefined : contents.tags.find((one) => one.tag === tag.tag)
      if (seen && !result.dryRun) await manifests.untag(op, seen)
    }
  }
  result.manifestsKept += decisions.manifests.length - going.size
  for (const digest of inOrder(going, contents)) {
    const tags = tagsOf.get(digest) ?? []
    const removed = result.dryRun
      ? !registry.holds.isHeld(digest, begun)
      : await registry.holds.removeUnlessHeld(digest, begun, () => manifests.discard(op, digest, { tags }))
    if (removed) result.manifestsRemoved++
    else result.manifestsKept++
  }
}

/** Referrers before their subject, an index before its children: whatever a killed process leaves, nothing leads to what is gone. */
function inOrder(going: ReadonlySet<Digest>, contents: Contents): Digest[] {
  const before = new Map<Digest, Digest[]>()
  const add = (digest: Digest, first: Digest) => {
    const known = before.get(digest)
    if (known) known.push(first)
    else before.set(digest, [first])
  }
  for (const digest of going) {
    const facts = contents.manifests.get(digest)
    for (const child of facts?.children ?? []) add(child, digest)
    if (facts?.subject) add(facts.subject, digest)
  }
  const ordered = new Set<Digest>()
  const seen = new Set<Digest>()
  // A stack of its own: chains of referrers may be as long as somebody cared to push them.
  for (const root of going) {
    const stack = [root]
    for (let digest = stack.at(-1); digest; digest = stack.at(-1)) {
      const next = seen.has(digest)
        ? undefined
        : before.get(digest)?.filter((one) => going.has(one) && !seen.has(one))
      seen.add(digest)
      if (next && next.length > 0) stack.push(...next)
      else {
        stack.pop()
        ordered.add(digest)
      }
    }
  }
  return [...ordered]
}

async function contentsOf(op: Op, registry: Registry, name: string): Promise<Contents> {
  const repository = registry.repository(name)
  const names = await Array.fromAsync(repository.tags.list(op))
  const tags = await group(
    op,
    names.map((tag) => async (each: Op) => {
      const record = await repository.tags.get(each, tag)
      return record ? [{ tag, digest: record.digest, updatedAt: new Date(record.updatedAt) }] : []
    }),
    { limit: readsAtOnce },
  )
  const digests = await Array.fromAsync(registry.storage.list(op, manifestsPrefix(name)), ({ key }) =>
    digestOfKey(key),
  )
  const manifests = await group(
    op,
    digests.map((digest) => async (each: Op) => {
      const record = digest && (await repository.manifests.record(each, digest))
      return record ? [[digest, await factsOf(each, registry, { digest, record })] as const] : []
    }),
    { limit: readsAtOnce },
  )
  return { tags: tags.flat(), manifests: new Map(manifests.flat()) }
}

const indexTypes = /(?:\.image\.index\.|\.manifest\.list\.)/

async function factsOf(
  op: Op,
  registry: Registry,
  o: { digest: Digest; record: ManifestRecord },
): Promise<ManifestFacts> {
  const { subject, pushedAt, mediaType } = o.record
  const children = indexTypes.test(mediaType) ? await referencesOf(op, registry.storage, o.digest) : undefined
  return { pushedAt: new Date(pushedAt), subject, children: children ?? [] }
}
