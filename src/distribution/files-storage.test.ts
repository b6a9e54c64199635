import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { FilesStorage } from './files-storage.ts'
import { storageSuite } from './storage-suite.ts'

const root = mkdtempSync(join(tmpdir(), 'gantry-storage-'))
after(() => rmSync(root, { recursive: true, force: true }))

storageSuite('FilesStorage', { spool: () => root, open: () => FilesStorage.open(join(root, 'suite')) })

test('a second storage on the same directory is refused, and one after the first is closed is not', async () => {
  const directory = join(root, 'locked')
  const first = await FilesStorage.open(directory)
  await assert.rejects(FilesStorage.open(directory), {
    kind: 'conflict',
    message: `Cannot open the registry's storage ${directory}: process ${process.pid} uses it`,
  })
  await first[Symbol.asyncDispose]()
  await (await FilesStorage.open(directory))[Symbol.asyncDispose]()
})

test('what a killed process had half written is cleared away', async () => {
  const directory = join(root, 'killed')
  mkdirSync(join(directory, 'temporary'), { recursive: true })
  writeFileSync(join(directory, 'temporary/left'), 'half')
  await using _storage = await FilesStorage.open(directory)
  assert(!existsSync(join(directory, 'temporary/left')))
})
