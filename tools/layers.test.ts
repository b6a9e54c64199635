import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { checkTree, importsOf, violation } from './layers.ts'

const refused: [file: string, target: string, reason: RegExp][] = [
  ['image/load.ts', '../container/index.ts', /may not import src\/container/],
  ['content/store.ts', '../snapshot/index.ts', /may not import src\/snapshot/],
  ['wire/image.ts', '../host/mount.ts', /may not import src\/host/],
  ['host/mount.ts', '../wire/image.ts', /may not import src\/wire/],
  ['lib/log.ts', '../store/index.ts', /may not import src\/store/],
  ['cli/main.ts', '../engine/index.ts', /may not import src\/engine/],
  ['cli/main.ts', '../host/mount.ts', /may not import src\/host/],
  ['api/docker/routes.ts', '../../client/index.ts', /may not import src\/client/],
  ['daemon/main.ts', '../api/registry/server.ts', /import src\/api\/index.ts/],
  ['image/load.ts', '../content/store.ts', /import src\/content\/index.ts/],
  ['image/load.ts', '../lib/index.ts', /import the file itself/],
  ['image/load.ts', './tags', /end in \.ts/],
  ['image/load.ts', '../../tools/layers.ts', /leaves src/],
  ['cli/main.ts', 'koffi', /only src\/host/],
  ['misc/x.ts', './y.ts', /no row/],
  ['cli/main.ts', '../misc/y.ts', /no row/],
]

for (const [file, target, reason] of refused)
  test(`src/${file} may not import ${target}`, () => assert.match(violation(file, target) ?? '', reason))

const accepted: [file: string, target: string][] = [
  ['image/load.ts', '../content/index.ts'],
  ['image/load.ts', './tags.ts'],
  ['engine/engine.ts', '../host/mount.ts'],
  ['cli/commands/run.ts', '../../client/index.ts'],
  ['client/client.ts', '../wire/image.ts'],
  ['api/docker/routes.ts', '../../engine/index.ts'],
  ['daemon/main.ts', '../api/registry/index.ts'],
  ['daemon/main.ts', 'node:fs'],
  ['host/libc.ts', 'koffi'],
  ['runtime/seccomp.ts', '../../data/seccomp.json'],
]

for (const [file, target] of accepted)
  test(`src/${file} may import ${target}`, () => assert.equal(violation(file, target), undefined))

test('importsOf() sees every form of import with its line', () => {
  const source = [
    `import a from './a.ts'`,
    `import type { B } from './b.ts'`,
    `export { c } from './c.ts'`,
    `import {`,
    `  d,`,
    `} from './d.ts'`,
    `import './e.ts'`,
    `const f = await import('./f.ts')`,
    `let g: import('./g.ts').G`,
    `new Worker(new URL('./h.ts', import.meta.url))`,
    `// import z from './z.ts'`,
    ` * import z from './z.ts'`,
  ].join('\n')
  const seen = importsOf(source).map(({ target, line }) => `${target}:${line}`)
  assert.deepEqual(seen.sort(), [
    './a.ts:1',
    './b.ts:2',
    './c.ts:3',
    './d.ts:6',
    './e.ts:7',
    './f.ts:8',
    './g.ts:9',
    './h.ts:10',
  ])
})

test('this checkout keeps its layers', () => {
  assert.deepEqual(checkTree(dirname(import.meta.dirname)), [])
})
