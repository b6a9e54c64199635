import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf, type Digest } from './digest.ts'
import { decide, type ManifestFacts } from './retention-decide.ts'
import { parseRetention, ruleFor } from './retention-policy.ts'

const day = 24 * 3_600_000
const now = Date.parse('2026-06-01T12:00:00Z')
const daysAgo = (days: number) => new Date(now - days * day)

/** Manifests by short names, with ages in days. */
function repository(o: {
  tags?: Record<string, [manifest: string, days: number]>
  manifests: Record<string, { days: number; subject?: string; children?: string[] }>
}) {
  const id = (name: string) => digestOf(name)
  const names = new Map(Object.keys(o.manifests).map((name) => [id(name), name]))
  const contents = {
    tags: Object.entries(o.tags ?? {}).map(([tag, [manifest, days]]) => ({
      tag: tag.replace(/^sha256-(\w+)/, (_, name: string) => id(name).replace(':', '-')),
      digest: id(manifest),
      updatedAt: daysAgo(days),
    })),
    manifests: new Map<Digest, ManifestFacts>(
      Object.entries(o.manifests).map(([name, { days, subject, children }]) => [
        id(name),
        {
          pushedAt: daysAgo(days),
          subject: subject === undefined ? undefined : id(subject),
          children: (children ?? []).map(id),
        },
      ]),
    ),
  }
  return (rule: object) => {
    const [only] = parseRetention(
      JSON.stringify({ rules: [{ repositories: ['**'], ...rule }] }),
      'rules.json',
    )
    assert(only)
    const decisions = decide(contents, only, { now, graceMs: 3_600_000 })
    const reasons = new Map(
      [...decisions.tags, ...decisions.manifests].map((one) => [
        'tag' in one ? one.tag : names.get(one.digest),
        one.reason,
      ]),
    )
    return {
      tags: decisions.tags
        .filter((one) => !one.keep)
        .map((one) => one.tag)
        .toSorted(),
      manifests: decisions.manifests
        .filter((one) => !one.keep)
        .map((one) => names.get(one.digest) ?? '')
        .toSorted(),
      why: (name: string) => reasons.get(name),
    }
  }
}

describe('retention', () => {
  const releases = repository({
    tags: {
      'v1.0': ['a', 90],
      'v1.1': ['b', 40],
      'v2.0': ['c', 10],
      latest: ['c', 10],
      'pr-7': ['d', 50],
      'pr-8': ['e', 1],
    },
    manifests: { a: { days: 90 }, b: { days: 40 }, c: { days: 10 }, d: { days: 50 }, e: { days: 1 } },
  })

  test('keeps the newest tags', () => {
    const { tags, manifests, why } = releases({ keepLast: 3 })
    assert.deepEqual(tags, ['pr-7', 'v1.0', 'v1.1'])
    assert.deepEqual(manifests, ['a', 'b', 'd'])
    assert.equal(why('v2.0'), 'it is number 3 of the newest 3')
    assert.equal(why('v1.1'), 'it is number 4, beyond the newest 3')
    assert.equal(why('c'), 'the tag latest stays')
    assert.equal(why('a'), 'its last tag goes')
  })

  test('keeps by age, and the newest whatever their age', () => {
    assert.deepEqual(releases({ keepWithin: '30d' }).tags, ['pr-7', 'v1.0', 'v1.1'])
    const both = releases({ keepWithin: '5d', keepLast: 2 })
    assert.deepEqual(both.tags, ['pr-7', 'v1.0', 'v1.1', 'v2.0'])
    assert.deepEqual(both.manifests, ['a', 'b', 'd'], 'c has a tag that stays')
    assert.equal(
      both.why('v2.0'),
      'it is number 3, beyond the newest 2, and it was set 10 days ago, not within 5 days',
    )
  })

  test('keeps and removes tags by pattern', () => {
    assert.deepEqual(releases({ removeTags: ['pr-*'] }).tags, ['pr-7', 'pr-8'])
    assert.deepEqual(releases({ removeTags: ['pr-*'], keepWithin: '2d' }).tags, ['pr-7'])
    assert.deepEqual(releases({ keepLast: 1, keepTags: ['v*', 'latest'] }).tags, ['pr-7'])
    assert.equal(releases({ keepLast: 1, keepTags: ['v*'] }).why('v1.0'), 'it matches keepTags "v*"')
    assert.equal(releases({ removeTags: ['pr-*'] }).why('latest'), 'no pattern of removeTags matches it')
  })

  test('a rule about untagged manifests leaves tags alone', () => {
    const found = repository({
      tags: { v1: ['a', 90] },
      manifests: { a: { days: 90 }, old: { days: 8 }, young: { days: 6 }, now: { days: 0 } },
    })({ removeUntagged: '7d' })
    assert.deepEqual(found.tags, [])
    assert.deepEqual(found.manifests, ['old'])
    assert.equal(found.why('old'), 'it has no tag, and it was pushed 8 days ago, not within 7 days')
    assert.equal(found.why('now'), 'it was pushed just now')
  })

  test('what is pushed at this moment stays, whatever the rule', () => {
    const found = repository({ manifests: { child: { days: 0.01 } } })({ removeUntagged: '0s' })
    assert.deepEqual(found.manifests, [])
  })

  test('children of an index, and referrers, go and stay with what they belong to', () => {
    const platforms = repository({
      tags: {
        v1: ['one', 50],
        v2: ['two', 1],
        'sha256-one.sig': ['cosign', 50],
        'sha256-two.sig': ['cosign2', 1],
      },
      manifests: {
        one: { days: 50, children: ['amd64', 'shared'] },
        two: { days: 1, children: ['arm64', 'shared'] },
        amd64: { days: 50 },
        arm64: { days: 1 },
        shared: { days: 50 },
        signature: { days: 50, subject: 'one' },
        sbom: { days: 50, subject: 'amd64' },
        signature2: { days: 50, subject: 'shared' },
        ofTheSignature: { days: 50, subject: 'signature' },
        cosign: { days: 50 },
        cosign2: { days: 50 },
        lost: { days: 50, subject: 'gone' },
      },
    })
    const found = platforms({ keepLast: 1 })
    assert.deepEqual(found.tags, ['v1'])
    assert.deepEqual(found.manifests, ['amd64', 'cosign', 'ofTheSignature', 'one', 'sbom', 'signature'])
    assert.match(found.why('sbom') ?? '', /^it belongs to sha256:\w{12}, which goes$/)
    assert.match(found.why('shared') ?? '', /which stays$/)
    assert.deepEqual(platforms({ removeUntagged: '7d' }).manifests, ['lost'])
  })

  test('a tagged child outlives its index', () => {
    const found = repository({
      tags: { all: ['index', 50], amd64: ['child', 50] },
      manifests: {
        index: { days: 50, children: ['child', 'other'] },
        child: { days: 50 },
        other: { days: 50 },
      },
    })({ removeTags: ['all'] })
    assert.deepEqual(found.manifests, ['index', 'other'])
  })

  test('manifests that lead to each other go by their age', () => {
    const circle = repository({
      manifests: { index: { days: 50, subject: 'child', children: ['child'] }, child: { days: 50 } },
    })
    assert.deepEqual(circle({ removeUntagged: '7d' }).manifests, ['child', 'index'])
    assert.deepEqual(circle({ removeUntagged: '60d' }).manifests, [])
  })
})

describe('a file of rules', () => {
  const parse = (rules: object[]) => parseRetention(JSON.stringify({ rules }), 'rules.json')

  test('the first rule that matches a repository counts', () => {
    const policy = parse([
      { repositories: ['team/*', 'ci'], keepLast: 1 },
      { repositories: ['team/**'], keepLast: 2 },
      { repositories: ['**'], keepLast: 3 },
    ])
    const last = (name: string) => ruleFor(policy, name)?.keepLast
    assert.deepEqual(['team/app', 'ci', 'team/app/web', 'ci2', 'team'].map(last), [1, 1, 2, 3, 3])
    assert.equal(ruleFor(parse([{ repositories: ['a.b'], keepLast: 1 }]), 'axb'), undefined)
  })

  test('is refused with the place of what is wrong', () => {
    const refused = (rule: object, message: RegExp) =>
      assert.throws(() => parse([rule]), { kind: 'invalid', message })
    refused({ repositories: ['a'], keepLsat: 1 }, /rules\.json: rules\.0: .*keepLsat/)
    refused({ repositories: [] }, /rules\.0\.repositories/)
    refused({ repositories: ['a'], keepLast: 0 }, /rules\.0\.keepLast/)
    refused(
      { repositories: ['a'], keepWithin: '30 days' },
      /rules\.0\.keepWithin: invalid time "30 days": want a number/,
    )
    refused({ repositories: ['a'], keepTags: ['v*'] }, /nothing is removed by this rule/)
    assert.throws(() => parseRetention('{', 'rules.json'), /rules\.json is not JSON/)
  })
})
