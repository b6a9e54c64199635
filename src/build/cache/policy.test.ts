import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cacheFilterOf, parseCacheFilter } from './filter.ts'
import { gcFilter, gcPolicies } from './gc-config.ts'
import type { CacheItem } from './item.ts'
import { bytesToKeep, candidates, noLimits } from './policy.ts'

const now = Date.parse('2030-01-31T00:00:00Z')
const hour = 3600_000

function item(id: string, o: Partial<CacheItem> & { hours?: number } = {}): CacheItem {
  const { hours = 0, ...rest } = o
  return {
    id,
    type: 'regular',
    description: `RUN ${id}`,
    parents: [],
    inUse: false,
    shared: false,
    mutable: false,
    bytes: 10,
    createdAt: '2030-01-01T00:00:00Z',
    lastUsedAt: new Date(now - hours * hour).toISOString(),
    usageCount: 1,
    ...rest,
  }
}

const any = { all: false, filter: () => true, unusedForMs: 0 }
const ids = (items: readonly CacheItem[]) => items.map(({ id }) => id)

test('the oldest go first, and nothing before what stands on it', () => {
  const items = [
    item('base', { hours: 9 }),
    item('mid', { parents: ['base'], hours: 5 }),
    item('old', { parents: ['base'], hours: 7 }),
    item('young', { parents: ['mid'], hours: 1 }),
    item('often', { hours: 8, usageCount: 50 }),
  ]
  const order = ids(candidates(items, any, now))
  assert.equal(order.length, items.length)
  assert.equal(order[0], 'old')
  for (const { id, parents } of items)
    for (const parent of parents)
      assert.ok(order.indexOf(parent) > order.indexOf(id), `${parent} after ${id}`)
  assert.ok(order.indexOf('often') > order.indexOf('old'))
})

test('what is in use stays with all that it stands on; what images share goes only when all is meant', () => {
  const items = [
    item('base'),
    item('mid', { parents: ['base'] }),
    item('used', { parents: ['mid'], inUse: true }),
    item('shared', { shared: true }),
    item('free', { parents: ['base'], hours: 3 }),
  ]
  assert.deepEqual(ids(candidates(items, any, now)), ['free'])
  assert.deepEqual(ids(candidates(items, { ...any, all: true }, now)).toSorted(), ['free', 'shared'])
  assert.deepEqual(ids(candidates(items, { ...any, unusedForMs: 4 * hour }, now)), [])
})

test('bytesToKeep() knows reserve, limit and free space', () => {
  const state = { used: 100, free: 50 }
  assert.equal(bytesToKeep(noLimits, state), 'nothing')
  assert.equal(bytesToKeep({ ...noLimits, reservedSpace: 40 }, state), 40)
  assert.equal(bytesToKeep({ ...noLimits, maxUsedSpace: 70 }, state), 70)
  assert.equal(bytesToKeep({ ...noLimits, minFreeSpace: 50 }, state), 'everything')
  assert.equal(bytesToKeep({ ...noLimits, minFreeSpace: 80 }, state), 70)
  assert.equal(bytesToKeep({ reservedSpace: 80, maxUsedSpace: 90, minFreeSpace: 80 }, state), 80)
  assert.equal(bytesToKeep({ reservedSpace: 10, maxUsedSpace: 90, minFreeSpace: 500 }, state), 10)
})

test('filters of BuildKit and of docker', () => {
  const one = item('4fa', { type: 'exec.cachemount', mutable: true, inUse: true })
  const other = item('77b', { shared: true, parents: ['4fa'] })
  const matching = (...texts: string[]) => ids([one, other].filter(parseCacheFilter(texts)))
  assert.deepEqual(matching(), ['4fa', '77b'])
  assert.deepEqual(matching('type==regular'), ['77b'])
  assert.deepEqual(matching('type!=regular'), ['4fa'])
  assert.deepEqual(matching('id~=^4'), ['4fa'])
  assert.deepEqual(matching('shared,type==exec.cachemount'), [])
  assert.deepEqual(matching('shared', 'type==exec.cachemount'), ['4fa', '77b'])
  assert.deepEqual(matching('inuse==false'), ['77b'])
  assert.deepEqual(matching('parents==4fa'), ['77b'])
  for (const bad of ['size==4', 'type<3', 'id~=(', 'inuse==perhaps', ''])
    assert.throws(() => parseCacheFilter([bad]), { kind: 'invalid' }, bad)
  const docker = (values: Record<string, string[]>) => ids([one, other].filter(cacheFilterOf(values)))
  assert.deepEqual(docker({ id: ['fa'] }), ['4fa'])
  assert.deepEqual(docker({ type: ['regular', 'source.local'], shared: ['true'] }), ['77b'])
})

test('policies come from the configuration, else from the size of the disk', () => {
  const gc = { enabled: true, limits: noLimits, policies: [] }
  assert.deepEqual(gcPolicies({ ...gc, enabled: false }, '/'), [])
  const [first, ...rest] = gcPolicies(gc, '/')
  assert.equal(first?.limits.maxUsedSpace, 512e6)
  for (const { limits } of rest)
    assert.ok(limits.reservedSpace > 0 && limits.maxUsedSpace > limits.reservedSpace)
  const limits = { ...noLimits, maxUsedSpace: 5 }
  assert.deepEqual(gcPolicies({ ...gc, limits }, '/').at(-1)?.limits, limits)
  const own = gcPolicies({ ...gc, policies: [{ all: true, filters: ['unused-for=2h'], limits }] }, '/')
  assert.deepEqual([own.length, own[0]?.unusedForMs, own[0]?.all], [1, 2 * hour, true])
  assert.throws(() => gcFilter(['unused-for=soon']), { kind: 'invalid' })
  assert.throws(() => gcFilter(['unused-for=-1h']), { kind: 'invalid' })
  assert.throws(() => gcFilter(['tpye=regular']), { kind: 'invalid' })
})
