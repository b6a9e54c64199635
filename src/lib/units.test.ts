import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatDuration,
  humanBinarySize,
  humanDuration,
  humanSize,
  parseBinarySize,
  parseDuration,
} from './units.ts'

test('humanSize() writes decimal sizes as docker does', () => {
  for (const [bytes, text] of [
    [0, '0B'],
    [999, '999B'],
    [1000, '1kB'],
    [1234, '1.23kB'],
    [4_260_000, '4.26MB'],
    [743_000_000, '743MB'],
    [999_999, '1MB'],
    [1.5e12, '1.5TB'],
  ] as const)
    assert.equal(humanSize(bytes), text)
  assert.equal(humanSize(1_234_567, 4), '1.235MB')
  assert.equal(humanBinarySize(67_108_864), '64MiB')
})

test('parseBinarySize() reads --memory', () => {
  for (const [text, bytes] of [
    ['256m', 268_435_456],
    ['1g', 1_073_741_824],
    ['1.5GiB', 1_610_612_736],
    ['10 kb', 10_240],
    ['100', 100],
    ['100b', 100],
    ['0', 0],
  ] as const)
    assert.equal(parseBinarySize(text), bytes)
  assert.throws(() => parseBinarySize('foo'), { kind: 'invalid', message: "invalid size: 'foo'" })
  assert.throws(() => parseBinarySize('-1'), { message: "invalid size: '-1'" })
  assert.throws(() => parseBinarySize('1x'), { message: "invalid suffix: 'x'" })
  assert.throws(() => parseBinarySize('1mm'), { message: "invalid suffix: 'mm'" })
})

test('humanDuration() speaks as docker ps', () => {
  const minute = 60_000
  const hour = 60 * minute
  const day = 24 * hour
  for (const [ms, text] of [
    [400, 'Less than a second'],
    [1500, '1 second'],
    [59_000, '59 seconds'],
    [minute, 'About a minute'],
    [5 * minute, '5 minutes'],
    [hour, 'About an hour'],
    [47 * hour, '47 hours'],
    [3 * day, '3 days'],
    [21 * day, '3 weeks'],
    [90 * day, '3 months'],
    [800 * day, '2 years'],
  ] as const)
    assert.equal(humanDuration(ms), text)
})

test('parseDuration() and formatDuration() follow Go', () => {
  assert.equal(parseDuration('1h30m'), 5400e9)
  assert.equal(parseDuration('1.5s'), 1.5e9)
  assert.equal(parseDuration('-300ms'), -3e8)
  assert.equal(parseDuration('0'), 0)
  assert.throws(() => parseDuration('5'), { message: 'time: missing unit in duration "5"' })
  assert.throws(() => parseDuration('5d'), { message: 'time: unknown unit "d" in duration "5d"' })
  assert.throws(() => parseDuration('x'), { message: 'time: invalid duration "x"' })
  for (const text of ['1h30m0s', '1.5s', '300ms', '2m0s', '0s', '30s'])
    assert.equal(formatDuration(parseDuration(text)), text)
})
