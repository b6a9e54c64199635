import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { collect } from './gc.ts'
import { keysOf, missingOf, op, openRegistry, pushImage, pushIndex } from './gc-testing.ts'
import { parseRetention } from './retention-policy.ts'
import { retain } from './retention.ts'
import type { Registry } from './registry.ts'

const policyOf = (...rules: object[]) => parseRetention(JSON.stringify({ rules }), 'rules.json')
const tagsOf = (registry: Registry, name: string) => Array.fromAsync(registry.repository(name).tags.list(op))

describe('retain()', () => {
  test('removes what the rules say, and a collection frees all of it', async () => {
    await using at = await openRegistry()
    const { registry } = at
    for (const tag of ['v1', 'v2', 'v3']) {
      const child = await pushImage(registry, 'team/app')
      const index = await pushIndex(registry, 'team/app', { manifests: [child], tag })
      await pushImage(registry, 'team/app', { subject: index })
      await sleep(5)
    }
    await pushImage(registry, 'other', { tag: 'v1' })
    const policy = policyOf({ repositories: ['team/*'], keepLast: 1 })
    const before = await keysOf(registry)
    const why = new Map<string, string>()
    const dry = await retain(op, registry, {
      policy,
      dryRun: true,
      explain: (one) => why.set(`${one.repository} ${one.tag ?? one.digest}`, `${one.rule}: ${one.reason}`),
    })
    assert.deepEqual(await keysOf(registry), before)
    assert.equal(why.get('team/app v1'), 'rule 1 (team/*): it is number 3, beyond the newest 1')
    assert.equal(why.size, 12)
    const done = await retain(op, registry, { policy })
    assert.deepEqual({ ...done, dryRun: true }, dry)
    assert.deepEqual(done, {
      dryRun: false,
      repositories: 1,
      tagsKept: 1,
      tagsRemoved: 2,
      manifestsKept: 3,
      manifestsRemoved: 6,
    })
    assert.deepEqual([await tagsOf(registry, 'team/app'), await tagsOf(registry, 'other')], [['v3'], ['v1']])
    await sleep(10)
    const freed = await collect(op, registry, { uploadAgeMs: 1 })
    assert.equal(freed.blobsRemoved, 2 * 7, 'index, child, signature, and two blobs of each of those two')
    const { digest } = await registry.repository('team/app').manifests.find(op, 'v3')
    assert.deepEqual(await missingOf(registry, 'team/app', digest), [])
    assert.equal((await Array.fromAsync(registry.repository('team/app').referrers(op, digest))).length, 1)
  })

  test('removes a tag alone when its manifest has another that stays', async () => {
    await using at = await openRegistry()
    const { registry } = at
    const image = await pushImage(registry, 'a', { tag: 'pr-1' })
    const data = await registry.repository('a').manifests.bytes(op, image.digest)
    await registry.repository('a').manifests.put(op, data, { mediaType: '', digest: undefined, tag: 'v1' })
    await sleep(5)
    await retain(op, registry, { policy: policyOf({ repositories: ['a'], removeTags: ['pr-*'] }) })
    assert.deepEqual(await tagsOf(registry, 'a'), ['v1'])
    assert.deepEqual(await missingOf(registry, 'a', image.digest), [])
  })

  test('keeps what is pushed again while it decides', async () => {
    await using at = await openRegistry()
    const { registry } = at
    const { manifests } = registry.repository('a')
    const images = [
      await pushImage(registry, 'a', { tag: 'pr-1' }),
      await pushImage(registry, 'a', { tag: 'pr-2' }),
    ]
    const [one, other] = await Promise.all(images.map((image) => manifests.bytes(op, image.digest)))
    assert(one && other)
    await sleep(5)
    const pushes: Promise<unknown>[] = []
    const done = await retain(op, registry, {
      policy: policyOf({ repositories: ['a'], removeTags: ['pr-*'] }),
      explain: (decision) => {
        // The same manifest with the same tag, and the other tag on the first manifest.
        if (decision.tag !== 'pr-1') return
        for (const tag of ['pr-1', 'pr-2'])
          pushes.push(manifests.put(op, one, { mediaType: '', digest: undefined, tag }))
      },
    })
    await Promise.all(pushes)
    assert.equal(pushes.length, 2)
    assert.deepEqual(await tagsOf(registry, 'a'), ['pr-1', 'pr-2'])
    for (const tag of ['pr-1', 'pr-2'])
      assert.equal((await manifests.find(op, tag)).digest, images[0]?.digest, `${done.manifestsRemoved}`)
  })
})
