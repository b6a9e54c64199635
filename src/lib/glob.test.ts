import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededChoice } from './seeded-random.ts'
import { anything, compileGlob, Machine, notNewline, notSlash, single, type Piece } from './glob.ts'
import { IgnoreMatcher, segmentGlob } from './ignore.ts'

const kinds: readonly (readonly [Piece, string])[] = [
  [{ kind: 'one', set: single(97) }, 'a'],
  [{ kind: 'one', set: single(47) }, '/'],
  [{ kind: 'one', set: notSlash }, '[^/]'],
  [{ kind: 'any', set: notSlash }, '[^/]*'],
  [{ kind: 'any', set: notNewline }, '[^\\n]*'],
  [{ kind: 'any', set: anything }, '[^]*'],
  [{ kind: 'directories' }, '(?:[^\\n]*/)?'],
  [{ kind: 'start' }, '^'],
]

test('a machine finds what a regular expression finds', () => {
  const next = seededChoice(5)
  for (let i = 0; i < 5000; i++) {
    const chosen = Array.from({ length: next(6) }, () => kinds[next(kinds.length)] ?? kinds[0])
    const pieces = chosen.flatMap((each) => each?.[0] ?? [])
    const source = chosen.map((each) => each?.[1]).join('')
    const text = Array.from({ length: next(9) }, () => 'ab/\n'[next(4)]).join('')
    const machine = new Machine(pieces)
    const chars = Array.from(text)
    const what = `${source} on ${JSON.stringify(text)}`
    assert.equal(compileGlob(pieces).test(text), new RegExp(`^${source}$`).test(text), what)
    const prefixes = Array.from({ length: text.length + 1 }, (_, n) => n).filter((n) =>
      new RegExp(`^${source}$`).test(text.slice(0, n)),
    )
    assert.equal(machine.longest(chars), prefixes.at(-1) ?? -1, what)
    assert.equal(machine.shortest(chars), prefixes[0] ?? -1, what)
    const found = new RegExp(source).exec(text)
    assert.deepEqual(machine.find(chars, 0)?.start, found?.index, what)
  }
})

test('no pattern takes long', { timeout: 10_000 }, () => {
  const path = `${'a/'.repeat(1000)}${'a'.repeat(200)}`
  const started = performance.now()
  for (const pattern of [
    '**/a'.repeat(40),
    `${'*a'.repeat(60)}b`,
    `**${'/**'.repeat(50)}/b`,
    '*'.repeat(3000),
  ])
    IgnoreMatcher.parse(`${pattern}\n`).ignores(path.slice(0, 600))
  segmentGlob(`${'*a'.repeat(100)}b`).test('a'.repeat(255))
  const machine = new Machine(
    Array.from({ length: 60 }, (_, i) => ({
      kind: i % 2 ? 'any' : 'one',
      set: i % 2 ? anything : single(97),
    })),
  )
  machine.find(Array.from('a'.repeat(20_000)), 0)
  assert.ok(performance.now() - started < 5000, String(performance.now() - started))
})

test('classes and escapes as Go reads them, also where docker rewrites what is in them', () => {
  const matches = (pattern: string, path: string) => IgnoreMatcher.parse(pattern).ignores(path)
  const yes: [string, string][] = [
    ['[a-c]x', 'bx'],
    ['[^a]x', 'bx'],
    ['a[.]b', 'a.b'],
    ['\\*x', '*x'],
    ['x\\d', 'x7'],
    ['[\\]]', ']'],
    ['a\\[b', 'a[b'],
    ['[*]', '[^]'],
    ['^a?', 'ab'],
    ['é*', 'é😀'],
    ['?', '😀'],
  ]
  for (const [pattern, path] of yes) assert.ok(matches(pattern, path), pattern)
  for (const [pattern, path] of [
    ['[^a]x', 'ax'],
    ['[*]', '*'],
    ['a^?', 'a^b'],
    ['x/**/\\ny', 'x/y'],
  ] as const)
    assert.ok(!matches(pattern, path), pattern)
  for (const pattern of ['\\1x', '[z-a]', '\\q', '!/'])
    assert.throws(() => IgnoreMatcher.parse(pattern), { kind: 'invalid' }, pattern)
  assert.ok(segmentGlob('[z-a*]').test('*') && !segmentGlob('[z-a]').test('b'))
})
