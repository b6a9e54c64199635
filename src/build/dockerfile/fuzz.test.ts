import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IgnoreMatcher } from '../../lib/ignore.ts'
import { EngineError } from '../../lib/errors.ts'
import { seededRandom } from '../../lib/seeded-random.ts'
import { expand, ExpandError } from './expand.ts'
import { BuildError } from './source.ts'
import { parseProgram } from './stages.ts'

const pieces = [
  'FROM a',
  'RUN',
  'COPY',
  'ENV',
  'ARG',
  'ONBUILD',
  'HEALTHCHECK',
  'LABEL',
  'SHELL',
  '\n',
  '\r\n',
  '\\\n',
  ' ',
  '\t',
]
pieces.push(
  '<<EOF',
  '<<-"E F"',
  'EOF',
  '#',
  '# escape=`\n',
  '"',
  "'",
  '$',
  '${',
  '}',
  ':-',
  '//',
  '%%',
  '=',
  '--x=',
  '[',
  ']',
  '["a"]',
)
pieces.push('a', 'b/c', '*', '**', '!', '?', '[a-', '\\', '`', '\0', 'é', '😀', '\uFEFF', ',', '0', '/')

const text = (next: () => number): string =>
  Array.from({ length: Math.floor(next() * 30) }, () => pieces[Math.floor(next() * pieces.length)]).join('')

test('any text is parsed or refused with its place, quickly', { timeout: 20_000 }, () => {
  const next = seededRandom(7)
  for (let i = 0; i < 20_000; i++) {
    const input = (next() < 0.5 ? 'FROM x\n' : '') + text(next)
    try {
      parseProgram('Dockerfile', input)
    } catch (error) {
      assert.ok(error instanceof BuildError, `${JSON.stringify(input)}: ${String(error)}`)
      assert.ok(error.excerpt.length > 0)
    }
  }
})

test('any text is expanded or refused', { timeout: 20_000 }, () => {
  const next = seededRandom(11)
  const env = new Map([
    ['a', 'value'],
    ['b', ''],
  ])
  for (let i = 0; i < 20_000; i++) {
    const input = text(next)
    try {
      expand(input, env, { escape: '\\' })
    } catch (error) {
      assert.ok(error instanceof ExpandError, `${JSON.stringify(input)}: ${String(error)}`)
    }
  }
})

test('any ignore file is read or refused, and walking agrees with asking', { timeout: 20_000 }, () => {
  const next = seededRandom(13)
  for (let i = 0; i < 20_000; i++) {
    const input = text(next)
    try {
      const matcher = IgnoreMatcher.parse(input)
      const parent = matcher.step('a', undefined)
      assert.equal(matcher.step('a/b', parent.matches).ignored, matcher.ignores('a/b'), JSON.stringify(input))
    } catch (error) {
      assert.ok(error instanceof EngineError, `${JSON.stringify(input)}: ${String(error)}`)
    }
  }
})

test('time grows with the text, not with its square', { timeout: 20_000 }, () => {
  const n = 20_000
  const texts = [
    `FROM a\nENV a=b \\\n${'  k=v \\\n'.repeat(n)} z=1\n`,
    `FROM a\nCOPY ${'f \\\n'.repeat(n)} /d/\n`,
    `FROM a\nRUN ${'--mount=target=/x '.repeat(n)} x\n`,
    `FROM a\nRUN${' \t'.repeat(10 * n)}x${' '.repeat(10 * n)}\\\n y\n`,
    `FROM a\nRUN --mount=${'type=cache,'.repeat(n)}target=/x y\n`,
    `#syntax=${' a'.repeat(10 * n)}${' '.repeat(10 * n)}b\nFROM a\n`,
    `FROM a\nCMD ${'['.repeat(10 * n)}\n`,
  ]
  const started = performance.now()
  for (const text of texts) parseProgram('Dockerfile', text)
  assert.ok(performance.now() - started < 10_000)
})

test('variables cannot grow without end', () => {
  let value = 'x'.repeat(1000)
  assert.throws(() => {
    for (let i = 0; i < 40; i++) value = expand('$a$a', new Map([['a', value]]), { escape: '\\' }).text
  }, /its variables hold more than 1 MiB/)
})
