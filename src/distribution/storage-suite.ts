import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import type { Storage } from './storage.ts'

const op = background(silentLogger)

/**
 * What every storage has to do. `open` gives an empty one; `spool` is a directory from which files can be placed, made before `open`
 * is called.
 */
export function storageSuite(
  name: string,
  o: { spool: () => string | Promise<string>; open: () => Promise<Storage> },
): void {
  void describe(`${name} is a storage`, () => {
    let storage: Storage
    let directory = ''
    before(async () => {
      directory = await mkdtemp(join(await o.spool(), 'suite-'))
      storage = await o.open()
    })
    after(async () => {
      await storage[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    })

    const write = (key: string, data: string) => storage.write(op, key, Buffer.from(data))
    const read = async (key: string, range?: { start: number; end: number }) =>
      await text(await storage.read(op, key, range))
    const children = (prefix: string, from?: string) => Array.fromAsync(storage.children(op, prefix, from))
    const keys = async (prefix: string) =>
      (await Array.fromAsync(storage.list(op, prefix))).map((entry) => entry.key)

    void test('what is written is read, whole and in part, and replaced whole', async () => {
      await write('small/one', 'hello')
      assert.equal(await read('small/one'), 'hello')
      assert.equal(await read('small/one', { start: 1, end: 3 }), 'ell')
      assert.equal(await read('small/one', { start: 4, end: 4 }), 'o')
      const found = await storage.stat(op, 'small/one')
      assert.equal(found?.size, 5)
      assert(Math.abs(found.modified.getTime() - Date.now()) < 60_000)
      await write('small/one', 'bye')
      assert.equal(await read('small/one'), 'bye')
      assert.equal((await storage.stat(op, 'small/one'))?.size, 3)
    })

    void test('an empty object is one', async () => {
      await storage.write(op, 'empty/one', new Uint8Array())
      assert.equal((await storage.stat(op, 'empty/one'))?.size, 0)
      assert.equal(await read('empty/one'), '')
      assert.deepEqual(await keys('empty'), ['empty/one'])
    })

    void test('what is not there is not found, and a prefix is no object', async () => {
      await write('deep/er/one', 'x')
      for (const key of ['nothing', 'deep', 'deep/er', 'deep/er/one/more']) {
        assert.equal(await storage.stat(op, key), undefined, key)
        await storage.remove(op, key)
      }
      await assert.rejects(storage.read(op, 'nothing'), { kind: 'not-found' })
      await assert.rejects(storage.read(op, 'nothing', { start: 0, end: 1 }), { kind: 'not-found' })
      assert.deepEqual(await children('nothing'), [])
      assert.deepEqual(await keys('nothing'), [])
      assert.equal(await read('deep/er/one'), 'x')
    })

    void test('a file is placed and consumed, also where an equal object is', async () => {
      const data = randomBytes((9 << 20) + 17)
      const sources = await Promise.all(
        ['a', 'b', 'c'].map(async (file) => {
          await writeFile(join(directory, file), data)
          return join(directory, file)
        }),
      )
      await Promise.all(sources.map((file) => storage.place(op, 'placed/one', file, data.length)))
      assert(data.equals(await buffer(await storage.read(op, 'placed/one'))))
      const part = await buffer(
        await storage.read(op, 'placed/one', { start: 5 << 20, end: data.length - 1 }),
      )
      assert(data.subarray(5 << 20).equals(part))
      for (const file of sources) await assert.rejects(stat(file), { code: 'ENOENT' })
    })

    void test('an empty file is placed', async () => {
      await writeFile(join(directory, 'empty'), '')
      await storage.place(op, 'placed/empty', join(directory, 'empty'), 0)
      assert.equal((await storage.stat(op, 'placed/empty'))?.size, 0)
    })

    void test('lists are in order of the keys, slashes included', async () => {
      const all = ['o/a-b/x', 'o/a.b', 'o/a/x', 'o/a/y/z', 'o/a0', 'o/aB', 'o/ab', 'o/b']
      for (const key of all.toReversed()) await write(key, key)
      await write('oo', 'a neighbour')
      const found = await Array.fromAsync(storage.list(op, 'o'))
      assert.deepEqual(
        found.map(({ key, size }) => [key, size]),
        all.map((key) => [key, key.length]),
      )
      assert(found.every(({ modified }) => Math.abs(modified.getTime() - Date.now()) < 60_000))
      assert.deepEqual(await keys('o/a'), ['o/a/x', 'o/a/y/z'])
      assert.deepEqual(await children('o'), ['a-b', 'a.b', 'a', 'a0', 'aB', 'ab', 'b'])
      assert((await keys('')).includes('oo'))
      assert((await children('')).includes('oo'))
    })

    void test('children begin after the name that is given, be that there or not', async () => {
      for (const name of ['1', '10', '2', 'v1', 'v1.0', 'v1_0']) await write(`tags/${name}`, '')
      assert.deepEqual(await children('tags'), ['1', '10', '2', 'v1', 'v1.0', 'v1_0'])
      assert.deepEqual(await children('tags', '10'), ['2', 'v1', 'v1.0', 'v1_0'])
      assert.deepEqual(await children('tags', '15'), ['2', 'v1', 'v1.0', 'v1_0'])
      assert.deepEqual(await children('tags', 'v1'), ['v1.0', 'v1_0'])
      assert.deepEqual(await children('tags', 'v1_0'), [])
      for (const name of ['a', 'a-b', 'b']) await write(`folders/${name}/_x`, '')
      assert.deepEqual(await children('folders', 'a-b'), ['a', 'b'])
      assert.deepEqual(await children('folders', 'a'), ['b'])
    })

    void test('more names than fit in one answer are all listed', async () => {
      const names = Array.from({ length: 1203 }, (_, index) => `t${String(index).padStart(5, '0')}`)
      for (let from = 0; from < names.length; from += 50)
        await Promise.all(names.slice(from, from + 50).map((name) => write(`many/${name}`, '')))
      assert.deepEqual(await children('many'), names)
      assert.deepEqual(await children('many', 't01000'), names.slice(1001))
      assert.deepEqual(
        await keys('many'),
        names.map((name) => `many/${name}`),
      )
    })

    void test('removed is gone, and what had it below is no child any more', async () => {
      await write('gone/a/b/one', 'x')
      await write('gone/a/two', 'x')
      await storage.remove(op, 'gone/a/b/one')
      assert.deepEqual(await children('gone/a'), ['two'])
      await storage.remove(op, 'gone/a/two')
      assert.deepEqual(await children('gone'), [])
      await storage.remove(op, 'gone/a/two')
      await write('gone/a/b/one', 'again')
      assert.equal(await read('gone/a/b/one'), 'again')
    })

    void test('objects come and go at the same time in the same places', async () => {
      const rounds = Array.from({ length: 8 }, async (_, writer) => {
        for (let round = 0; round < 15; round++) {
          const key = `busy/${round % 3}/${writer}`
          await write(key, `${writer}`)
          assert.equal(await read(key), `${writer}`)
          await storage.remove(op, key)
        }
      })
      await Promise.all(rounds)
      assert.deepEqual(await keys('busy'), [])
      assert.deepEqual(await children('busy'), [])
    })

    void test('readers see the old object or the new one', async () => {
      const values = ['a', 'b'].map((letter) => letter.repeat(100_000))
      await write('swap/one', values[0] ?? '')
      let done = false
      const writer = (async () => {
        for (let round = 0; round < 20; round++) await write('swap/one', values[round % 2] ?? '')
        done = true
      })()
      while (!done) assert(values.includes(await read('swap/one')))
      await writer
    })

    void test('keys that the layout would not make are refused', async () => {
      for (const key of [
        '',
        '/',
        'a//b',
        '../a',
        'a/../b',
        'a/.',
        'a b',
        'ä',
        'a\0b',
        `a/${'x'.repeat(256)}`,
      ]) {
        await assert.rejects(storage.write(op, key, Buffer.from('x')), Error, key)
        await assert.rejects(async () => await storage.stat(op, key), Error, key)
        await assert.rejects(async () => await storage.remove(op, key), Error, key)
      }
    })
  })
}
