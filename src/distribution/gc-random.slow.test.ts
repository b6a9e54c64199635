import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { seededRandom } from '../lib/seeded-random.ts'
import type { Digest } from './digest.ts'
import { startFauxS3 } from './fauxqs-testing.ts'
import { FilesStorage } from './files-storage.ts'
import { collect } from './gc.ts'
import { Model } from './gc-random-testing.ts'
import { keysOf, missingOf, op, openRegistry } from './gc-testing.ts'
import { MemoryStorage } from './memory-storage-testing.ts'
import { Registry } from './registry.ts'
import { S3Storage } from './s3-storage.ts'
import type { Storage } from './storage.ts'

/** Long beside a push, short beside the test. */
const graceMs = 400
const runMs = 3000

async function holdsItsPromises(
  t: { diagnostic: (text: string) => void },
  o: { storage?: (random: () => number) => Storage | Promise<Storage>; graceMs: number },
) {
  const seed = Math.floor(Math.random() * 2 ** 32)
  t.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  const storage = await o.storage?.(random)
  await using at = await openRegistry({ graceMs: o.graceMs, ...(storage && { storage }) })
  const model = new Model({ registry: at.registry, random })
  const end = Date.now() + runMs
  const until = () => Date.now() > end
  await Promise.all([...Array.from({ length: 8 }, () => model.client(until)), model.collector(until)])
  t.diagnostic(
    `${model.pushes} pushes, ${model.deletions} deletions, ${model.collections} collections, ${model.blobsRemoved} blobs removed`,
  )
  assert(model.pushes > 5 && model.collections > 2)
  for (const key of model.there.keys()) {
    const [name = '', digest = ''] = key.split(' ')
    assert.deepEqual(await missingOf(at.registry, name, digest as Digest), [], `seed ${seed}: ${key}`)
  }
  // And nothing stays that nobody wants: with the last manifest everything goes.
  for (const key of model.there.keys()) {
    const [name = '', digest = ''] = key.split(' ')
    await at.registry.repository(name).manifests.remove(op, digest as Digest)
  }
  await sleep(o.graceMs + 50)
  await collect(op, at.registry, { uploadAgeMs: 0 })
  assert.deepEqual(await keysOf(at.registry), [])
}

test('pushes, deletions and collections at once lose nothing and leave nothing, in memory', async (t) => {
  await holdsItsPromises(t, { graceMs: 100, storage: (random) => new MemoryStorage(random) })
})

test('pushes, deletions and collections at once lose nothing and leave nothing, on files', async (t) => {
  await holdsItsPromises(t, { graceMs })
})

test('pushes, deletions and collections at once lose nothing and leave nothing, on S3', async (t) => {
  await using server = await startFauxS3()
  await holdsItsPromises(t, { graceMs, storage: () => S3Storage.open(op, server.settings) })
})

test('a server that is killed while it collects has kept what it acknowledged', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-gc-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const program = fileURLToPath(new URL('gc-random-testing.ts', import.meta.url))
  const there = new Set<string>()
  let said = ''
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, [program, directory, `${round}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const closed = once(child, 'close')
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    while (said.split('\n').length < 40 * (round + 1) && child.exitCode === null) await sleep(20)
    assert.equal(child.exitCode, null, 'it ended by itself')
    child.kill('SIGKILL')
    await closed
  }
  // What was being deleted may be there or not.
  for (const line of said.split('\n').slice(0, -1)) {
    if (line.startsWith('+ ')) there.add(line.slice(2))
    else there.delete(line.slice(2))
  }
  assert(there.size > 5)
  const open = async () =>
    await Registry.open({
      storage: await FilesStorage.open(join(directory, 'storage')),
      spool: join(directory, 'uploads'),
      graceMs: 0,
    })
  await using registry = await open()
  const check = async () => {
    for (const key of there) {
      const [name = '', digest = ''] = key.split(' ')
      assert.deepEqual(await missingOf(registry, name, digest as Digest), [], key)
    }
  }
  await check()
  await sleep(10)
  const { blobsRemoved } = await collect(op, registry, { uploadAgeMs: 0 })
  t.diagnostic(`${there.size} manifests there, ${blobsRemoved} blobs of killed pushes removed`)
  await check()
})
