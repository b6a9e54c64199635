import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../../lib/digest.ts'
import { decodeDocument, documentOfFindings, parseJson } from './document.ts'
import { parseCacheExport } from './export.ts'

const digest = (letter: string): Digest => `sha256:${letter.repeat(64)}`
const createdAt = '2026-01-02T03:04:05.678Z'

test('findings come back as they went, whatever their order', () => {
  const one = { keys: [digest('1'), digest('2')], layers: [digest('a'), digest('b')], createdAt }
  const two = { keys: [digest('0')], layers: [digest('a')], createdAt }
  const document = documentOfFindings([one, two, { keys: [digest('3')], layers: [], createdAt }])
  assert.deepEqual(decodeDocument(JSON.parse(JSON.stringify(document)), 'x'), document)
  assert.deepEqual(
    document.records.map(({ key, stack }) => [key, stack.map((place) => document.layers[place])]),
    [
      [digest('0'), [digest('a')]],
      [digest('1'), [digest('a'), digest('b')]],
      [digest('2'), [digest('a'), digest('b')]],
    ],
  )
})

test('documents that are none are refused, and say why', () => {
  const good = { version: 1, layers: [digest('a')], records: [{ key: digest('1'), stack: [0], createdAt }] }
  decodeDocument(good, 'x')
  const bad: unknown[] = [
    null,
    [],
    { ...good, version: 2 },
    { ...good, layers: ['sha256:../../etc'] },
    { ...good, records: [{ ...good.records[0], stack: [1] }] },
    { ...good, records: [{ ...good.records[0], stack: [-1] }] },
    { ...good, records: [{ ...good.records[0], stack: [] }] },
    { ...good, records: [{ ...good.records[0], key: 'x' }] },
    { ...good, records: [{ ...good.records[0], createdAt: 'yesterday' }] },
  ]
  for (const each of bad)
    assert.throws(() => decodeDocument(each, 'cache x'), {
      kind: 'invalid',
      message: /^cache x is no build cache/,
    })
  assert.throws(() => parseJson(Buffer.from('{'), 'cache x'), { message: 'cache x is not JSON' })
})

test('what --cache-to cannot do is refused by name', () => {
  const parse = (type: string, attrs: Record<string, string> = {}) => parseCacheExport({ type, attrs })
  assert.equal(parse('inline').kind, 'inline')
  assert.throws(() => parse('gha'), /cache type "gha" is not supported/)
  assert.throws(() => parse('registry'), /needs a ref/)
  assert.throws(() => parse('registry', { ref: 'x', mode: 'most' }), /invalid cache mode "most"/)
  assert.throws(
    () => parse('registry', { ref: 'x', 'image-manifest': 'false' }),
    /image-manifest=false is not supported/,
  )
  assert.throws(() => parse('local'), /not supported for this client/)
  assert.throws(() => parse('inline', { bogus: '1' }), /cache inline: bogus is not supported/)
})
