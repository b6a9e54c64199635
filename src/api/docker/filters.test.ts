import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Filters, matchesName, parseTime } from './filters.ts'
import { Query } from './query.ts'

const filtersOf = (value: unknown, known = ['label', 'name', 'dangling', 'label!']) =>
  Filters.of(new Query(`filters=${encodeURIComponent(JSON.stringify(value))}`), known)

test('both shapes of filters are read', () => {
  assert.deepEqual(filtersOf({ name: ['a', 'b'] }).get('name'), ['a', 'b'])
  assert.deepEqual(filtersOf({ name: { a: true, b: false } }).get('name'), ['a'])
  assert.equal(Filters.of(new Query(''), []).has('name'), false)
})

test('unknown keys and wrong shapes are refused by name', () => {
  assert.throws(() => filtersOf({ colour: ['red'] }), { kind: 'invalid', message: "invalid filter 'colour'" })
  for (const wrong of [[], 'x', { name: 'a' }, { name: [1] }])
    assert.throws(() => filtersOf(wrong), { kind: 'invalid' })
  assert.throws(() => Filters.of(new Query('filters={'), []), { kind: 'invalid' })
  assert.throws(() => filtersOf({ dangling: ['maybe'] }).flag('dangling'), { kind: 'invalid' })
})

test('one value of a key is enough, but all labels must match', () => {
  const filters = filtersOf({ name: ['a', 'b'], label: ['x', 'y=1'] })
  assert.ok(filters.any('name', (value) => value === 'b'))
  assert.ok(filters.labels({ x: '', y: '1' }))
  assert.ok(!filters.labels({ x: '', y: '2' }))
  assert.ok(!filters.labels({ y: '1' }))
  assert.ok(!filtersOf({ label: ['constructor'] }).labels({}))
  assert.ok(!filtersOf({ 'label!': ['x'] }).withoutLabels({ x: '1' }))
})

test('names match by expression, or as text where it is none', () => {
  assert.ok(matchesName('web-1', '^web'))
  assert.ok(matchesName('a(b', '(b'))
  assert.ok(!matchesName('db', 'web'))
})

test('times are seconds, dates or durations back from now', () => {
  assert.equal(parseTime('1700000000.5'), 1_700_000_000.5)
  assert.equal(parseTime('1h30m', 10_000_000), 10_000 - 5400)
  assert.equal(parseTime('2024-01-02T03:04:05Z'), Date.UTC(2024, 0, 2, 3, 4, 5) / 1000)
  assert.throws(() => parseTime('yesterday'), { kind: 'invalid' })
})

test('flags and numbers in a query are read as docker reads them', () => {
  const query = new Query('a=1&b=false&c=&d=True&n=-5&m=x&t=1&t=2')
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map((name) => query.flag(name)),
    [true, false, false, true, false],
  )
  assert.equal(query.integer('n'), -5)
  assert.throws(() => query.integer('m'), { kind: 'invalid', message: /^invalid value for m/ })
  assert.deepEqual(query.all('t'), ['1', '2'])
})
