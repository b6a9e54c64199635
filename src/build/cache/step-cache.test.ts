import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, type Digest } from '../../lib/digest.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { Store } from '../../store/index.ts'
import { cacheKey, type CacheKey, type Json } from '../solver/vertex.ts'
import { StepCache } from './step-cache.ts'

const op = background(silentLogger)
const layer = (name: string): Digest => digestOf(name)
const vertex = (name: string) => ({ id: digestOf(name), name })

function open() {
  const store = Store.open(':memory:')
  const sizes = new Map<Digest, number>()
  const images = new Set<Digest>()
  const used = new Set<Digest>()
  const make = () =>
    new StepCache({
      store,
      sizeOf: (each) => sizes.get(each),
      inImages: () => images,
      inUse: (each) => used.has(each),
    })
  for (const [index, name] of ['base', 'a', 'b', 'c'].entries()) sizes.set(layer(name), 10 ** index)
  return { make, sizes, images, used }
}

function put(cache: StepCache, inputs: Json, stack: readonly string[], text?: string): CacheKey {
  const manifest = text === undefined ? undefined : { text, digest: digestOf(text) }
  const key = { ...cacheKey(inputs), ...(manifest && { manifest }) }
  const createdAt = `2030-01-0${stack.length}T00:00:00.000Z`
  cache.put([key], { layers: stack.map(layer), createdAt }, vertex(stack.join('+')))
  return key
}

test('what is put is found, also by the next daemon, as long as its layers are there', () => {
  const { make, sizes } = open()
  const first = make()
  const key = put(first, { op: 'run', n: 1 }, ['base', 'a'])
  assert.deepEqual(first.get(key)?.layers, [layer('base'), layer('a')])
  const second = make()
  assert.deepEqual(second.get(key)?.layers, [layer('base'), layer('a')])
  assert.deepEqual([...second.layers()].toSorted(), [layer('base'), layer('a')].toSorted())
  sizes.delete(layer('base'))
  assert.equal(second.get(key), undefined)
  assert.equal(second.layers().size, 0)
})

test('items are stacks that stand on each other; uses are counted and kept', async () => {
  const { make, images } = open()
  const cache = make()
  const a = put(cache, { n: 1 }, ['base', 'a'])
  put(cache, { n: 2 }, ['base', 'a', 'b'])
  // The same result under another key, and the same key with another result.
  put(cache, { n: 3 }, ['base', 'a', 'b'])
  cache.get(a)
  images.add(layer('base'))
  cache.save()
  const items = await make().items()
  assert.deepEqual(
    items.map(({ description, bytes, shared, usageCount }) => [description, bytes, shared, usageCount]),
    [
      ['layer of a base image', 1, true, 0],
      ['base+a', 10, false, 2],
      ['base+a+b', 100, false, 2],
    ],
  )
  const [base, one, two] = items
  assert.deepEqual([base?.parents, one?.parents, two?.parents], [[], [base?.id], [one?.id]])
})

test('remove() tells what comes free, and forgets what nothing stands on any more', async () => {
  const { make, images, used } = open()
  const cache = make()
  const a = put(cache, { n: 1 }, ['base', 'a'])
  const b = put(cache, { n: 2 }, ['base', 'a', 'b'])
  images.add(layer('base'))
  const idOf = async (name: string) =>
    (await cache.items()).find((item) => item.description === name)?.id ?? ''
  used.add(layer('b'))
  assert.equal(await cache.remove(op, await idOf('base+a+b')), undefined)
  used.clear()
  assert.equal(await cache.remove(op, await idOf('base+a+b')), 100)
  assert.equal(cache.get(b), undefined)
  assert.ok(cache.get(a))
  // The base goes from the cache with what stood on it, but an image has its bytes.
  assert.equal(await cache.remove(op, await idOf('base+a')), 10)
  assert.deepEqual(await cache.items(), [])
  assert.equal(cache.layers().size, 0)
  assert.equal(await cache.remove(op, 'no such'), undefined)
})

test('a key that gives another result holds the new one alone', async () => {
  const { make } = open()
  const cache = make()
  put(cache, { n: 1 }, ['base', 'a'])
  put(cache, { n: 1 }, ['base', 'b'])
  assert.deepEqual(
    (await cache.items()).map((item) => item.description),
    ['layer of a base image', 'base+b'],
  )
  assert.deepEqual([...cache.layers()].toSorted(), [layer('base'), layer('b')].toSorted())
})

test('earlierCopy() finds the newest of the same definition, whatever base and files were', async () => {
  const { make } = open()
  const cache = make()
  const copy = (base: string, files: string) => ({ op: 'copy', base: [layer(base)], target: '/app', files })
  put(cache, copy('base', '1'), ['base', 'a'], 'first')
  put(cache, copy('b', '2'), ['base', 'b', 'c'], 'second')
  put(cache, { ...copy('base', '3'), target: '/other' }, ['base', 'b'], 'other')
  // The order of its parts says nothing.
  const wanted = { target: '/app', op: 'copy', base: [] }
  assert.deepEqual(cache.earlierCopy(wanted), { layer: layer('c'), manifest: 'second' })
  assert.deepEqual(make().earlierCopy(wanted), { layer: layer('c'), manifest: 'second' })
  assert.equal(cache.earlierCopy({ ...wanted, target: '/none' }), undefined)
  const last = (await cache.items()).find((item) => item.description === 'base+b+c')
  await cache.remove(op, last?.id ?? '')
  assert.equal(cache.earlierCopy(wanted), undefined)
})
