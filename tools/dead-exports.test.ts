import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { deadExports, sourcesOf } from './dead-exports.ts'

/** The package's own users are outside: what the client's index hands on is for them. */
const forOthers = /^src\/client\//

test('an export that only its file and an index name is found', () => {
  const files = new Map([
    ['src/a.ts', '/** used() */\nexport function used() {}\nexport const dead = 1\nexport class Handed {}\n'],
    ['src/index.ts', "export { dead, Handed } from './a.ts'"],
    ['src/b.ts', "import { used } from './a.ts'\n// Handed\nused()"],
  ])
  assert.deepEqual(
    deadExports(files).map(({ name }) => name),
    ['dead', 'Handed'],
  )
})

test('nothing in src is exported for nobody', () => {
  const sources = sourcesOf(dirname(import.meta.dirname))
  // `export { x as y }` of an index: whoever uses y uses x.
  const renamed = new Set(
    [...sources.values()].flatMap((text) => [...text.matchAll(/\b(\w+) as \w+/g)].map(([, name]) => name)),
  )
  const dead = deadExports(sources).filter(
    ({ file, name }) => file.startsWith('src/') && !forOthers.test(file) && !renamed.has(name),
  )
  assert.deepEqual(
    dead.map(({ file, name }) => `${file}: ${name}`),
    [],
  )
})
