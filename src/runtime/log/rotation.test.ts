import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { readCopyState, writeCopyState } from './copy-state.ts'
import { LogCursor } from './cursor.ts'
import { dropSurplus, logFiles, shiftFiles } from './files.ts'
import { JsonFile } from './json-file.ts'
import { openLog } from './reader.ts'

const op = background(silentLogger)
let directory = ''
let path = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-rotation-'))
  path = join(directory, 'log')
})
afterEach(() => rmSync(directory, { recursive: true }))

const record = (n: number, tag = 'F') =>
  `2026-01-02T03:${String(Math.floor(n / 60)).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}.000000000+00:00 stdout ${tag} line ${n}\n`
const write = (from: number, to: number) => {
  for (let n = from; n <= to; n++) appendFileSync(path, record(n))
}
const nano = (n: number) => BigInt(Date.UTC(2026, 0, 2, 3, 0, n)) * 1_000_000n

async function text(o: { since?: bigint; until?: bigint; tail?: number } = {}): Promise<string[]> {
  const stream = openLog(op, {
    path,
    follow: false,
    timestamps: false,
    stdout: true,
    stderr: true,
    framing: 'raw',
    ended: AbortSignal.abort(),
    ...o,
  })
  return Buffer.concat(await stream.toArray())
    .toString()
    .split('\n')
    .filter(Boolean)
}
const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`)

/** Three files: 1–10, 11–20, 21–30. */
function rotated(): void {
  write(1, 10)
  shiftFiles(path)
  write(11, 20)
  shiftFiles(path)
  write(21, 30)
}

test('shiftFiles() and dropSurplus() keep so many files, the newest', async () => {
  rotated()
  assert.deepEqual(readdirSync(directory).toSorted(), ['log', 'log.1', 'log.2'])
  assert.equal(dropSurplus(path, { maxFiles: 2, readFrom: undefined }), false)
  assert.deepEqual(
    (await logFiles(path)).map((file) => file.path),
    [join(directory, 'log.1'), path],
  )
})

test('dropSurplus() leaves what a copy has not read, up to as much again', () => {
  rotated()
  const oldest = statSync(join(directory, 'log.2')).ino
  assert.equal(dropSurplus(path, { maxFiles: 2, readFrom: oldest }), true)
  assert.equal(readdirSync(directory).length, 3)
  assert.equal(dropSurplus(path, { maxFiles: 1, readFrom: oldest }), true)
  assert.deepEqual(readdirSync(directory).toSorted(), ['log', 'log.1'])
})

test('openLog() reads rotated files as one, by lines and by time', async () => {
  rotated()
  assert.deepEqual(await text(), lines(1, 30))
  for (const tail of [1, 9, 10, 11, 20, 25, 30, 31])
    assert.deepEqual(await text({ tail }), lines(Math.max(1, 31 - tail), 30), `tail ${tail}`)
  for (const from of [1, 10, 11, 15, 20, 21, 30])
    assert.deepEqual(await text({ since: nano(from) }), lines(from, 30), `since ${from}`)
  assert.deepEqual(await text({ since: nano(5), until: nano(22) }), lines(5, 22))
  assert.deepEqual(await text({ since: nano(5), tail: 12 }), lines(19, 30))
})

test('openLog() counts a line that goes on in the next file once', async () => {
  write(1, 2)
  appendFileSync(path, record(3, 'P'))
  shiftFiles(path)
  write(4, 4)
  assert.deepEqual(await text({ tail: 1 }), ['line 3line 4'])
  assert.deepEqual(await text({ tail: 2 }), ['line 2', 'line 3line 4'])
})

test('LogCursor follows the log through rotations, also several at once', async () => {
  write(1, 3)
  await using cursor = new LogCursor(path)
  const seen = async () => {
    let all = ''
    for (let data = await cursor.read(); data; data = await cursor.read()) all += data.toString('latin1')
    return [...all.matchAll(/line \d+/g)].map(([match]) => match)
  }
  assert.deepEqual(await seen(), lines(1, 3))
  write(4, 4)
  shiftFiles(path)
  // Renamed, and the writer has not turned to the new file yet.
  appendFileSync(join(directory, 'log.1'), record(5))
  assert.deepEqual(await seen(), lines(4, 5))
  write(6, 6)
  shiftFiles(path)
  write(7, 7)
  shiftFiles(path)
  write(8, 8)
  assert.deepEqual(await seen(), lines(6, 8))
  const { place } = cursor
  write(9, 9)
  shiftFiles(path)
  write(10, 10)
  await using later = new LogCursor(path, place)
  assert.match(String(await later.read()), /line 9\n$/)
})

test('a reader passes over what is no record: half a one of a full disk, zeros of a power cut', async () => {
  write(1, 1)
  appendFileSync(path, `${record(2).slice(0, 20)}\n${'\0'.repeat(100)}\n`)
  write(3, 3)
  assert.deepEqual(await text(), ['line 1', 'line 3'])
})

test('JsonFile writes what readers of docker’s logs expect, begins files, and undoes what was not noted', async () => {
  const copy = {
    kind: 'json-file',
    path: join(directory, 'x-json.log'),
    maxSize: 250,
    maxFiles: 2,
    attributes: { b: '2', a: '1' },
  } as const
  const block = Buffer.from(
    [1, 2, 3, 4].map((n) => record(n)).join('') + record(5, 'P').replace('stdout', 'stderr'),
  )
  const feed = async (file: JsonFile, data: Buffer) => {
    for (let rest = data; rest.length > 0;) rest = rest.subarray(await file.write(rest))
  }
  const file = new JsonFile(copy, undefined)
  await feed(file, block)
  const noted = file.file
  await file.write(Buffer.from(record(6)))
  file.close()
  const again = new JsonFile(copy, noted)
  again.close()
  const read = (name: string) =>
    readFileSync(join(directory, name), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as object)
  assert.deepEqual(read('x-json.log.1')[0], {
    log: 'line 1\n',
    stream: 'stdout',
    attrs: { a: '1', b: '2' },
    time: '2026-01-02T03:00:01.000000000Z',
  })
  assert.deepEqual(read('x-json.log').at(-1), {
    log: 'line 5',
    stream: 'stderr',
    attrs: { a: '1', b: '2' },
    time: '2026-01-02T03:00:05.000000000Z',
  })
})

test('a note of how far a copy has come is read back; a spoilt one is none', () => {
  assert.equal(readCopyState(path), undefined)
  const state = { place: { inode: 7, offset: 1234 }, file: { inode: 8, written: 99 } }
  writeCopyState(path, { place: { inode: 700000, offset: 99_999_999 } })
  writeCopyState(path, state)
  assert.deepEqual(readCopyState(path), state)
  writeFileSync(join(directory, 'copied'), '\0\0\0')
  assert.equal(readCopyState(path), undefined)
})
