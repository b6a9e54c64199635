import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, test } from 'node:test'
import { FileWatcher } from './file-watcher.ts'

const home = mkdtempSync(join(tmpdir(), 'gantry-watcher-'))
after(() => rmSync(home, { recursive: true }))

/** Watches; `until` resolves with all that was told when the last of the names was among it. */
function watching(folder: string, roots: readonly string[]) {
  const told = new Set<string>()
  let look = () => {}
  const failed = Promise.withResolvers<never>()
  const watcher = new FileWatcher({
    roots: roots.map((root) => join(folder, root)),
    ignored: (path) => path.includes('ignored'),
    onChange: (paths) => {
      for (const path of paths) told.add(relative(folder, path))
      look()
    },
    onError: failed.reject,
    quiet: 10,
  })
  const until = (...names: string[]) => {
    const { promise, resolve } = Promise.withResolvers<string[]>()
    look = () => {
      if (names.every((name) => told.has(name))) resolve([...told].toSorted())
    }
    look()
    return Promise.race([promise, failed.promise])
  }
  return { watcher, until }
}

test('what is in directories that are new themselves is found; what is ignored is not', async () => {
  const folder = mkdtempSync(join(home, 'a-'))
  mkdirSync(join(folder, 'src'))
  writeFileSync(join(folder, 'src/old'), '')
  const { watcher, until } = watching(folder, ['src'])
  using _ = watcher
  mkdirSync(join(folder, 'src/one/two'), { recursive: true })
  writeFileSync(join(folder, 'src/one/two/deep'), '1')
  mkdirSync(join(folder, 'src/ignored'))
  writeFileSync(join(folder, 'src/ignored/x'), '')
  symlinkSync('/nowhere', join(folder, 'src/link'))
  writeFileSync(join(folder, 'src/old'), 'changed')
  assert.deepEqual(await until('src/one/two/deep', 'src/old', 'src/link'), [
    'src/link',
    'src/old',
    'src/one/two/deep',
  ])
  writeFileSync(join(folder, 'src/one/two/later'), '')
  await until('src/one/two/later')
  rmSync(join(folder, 'src/one'), { recursive: true })
  await until('src/one')
  // The same name again is a directory like any other.
  mkdirSync(join(folder, 'src/one'))
  writeFileSync(join(folder, 'src/one/again'), '')
  await until('src/one/again')
})

test('a file is watched alone, also when it is replaced', async () => {
  const folder = mkdtempSync(join(home, 'b-'))
  writeFileSync(join(folder, 'file'), '')
  const { watcher, until } = watching(folder, ['file'])
  using _ = watcher
  writeFileSync(join(folder, 'other'), '')
  rmSync(join(folder, 'file'))
  await until('file')
  writeFileSync(join(folder, 'file'), 'new')
  assert.deepEqual(await until('file'), ['file'])
})

test('what is not there yet is waited for', async () => {
  const folder = mkdtempSync(join(home, 'c-'))
  const { watcher, until } = watching(folder, ['deep/er/file', 'conf'])
  using _ = watcher
  mkdirSync(join(folder, 'deep/er'), { recursive: true })
  writeFileSync(join(folder, 'deep/er/file'), '')
  mkdirSync(join(folder, 'conf'))
  writeFileSync(join(folder, 'conf/one'), '')
  await until('deep/er/file', 'conf/one')
  writeFileSync(join(folder, 'conf/two'), '')
  await until('conf/two')
})

test('a file that is watched by itself leaves its directory watched as a whole', async () => {
  const folder = mkdtempSync(join(home, 'd-'))
  writeFileSync(join(folder, 'package.json'), '')
  for (const roots of [
    ['.', 'package.json'],
    ['package.json', '.'],
  ]) {
    const { watcher, until } = watching(folder, roots)
    using _ = watcher
    writeFileSync(join(folder, 'other'), roots.join())
    await until('other')
  }
})
