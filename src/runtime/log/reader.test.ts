import assert from 'node:assert/strict'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { FrameDecoder } from '../../wire/frame.ts'
import { openLog, type LogOptions } from './reader.ts'

const op = background(silentLogger)
let directory = ''
before(async () => void (directory = await mkdtemp(join(tmpdir(), 'gantry-log-'))))
after(() => rm(directory, { recursive: true }))

const base = { follow: false, timestamps: false, stdout: true, stderr: true, framing: 'raw' } as const
const time = (n: number) =>
  `2026-01-02T03:04:${String(n % 60).padStart(2, '0')}.${String(n).padStart(9, '0')}+00:00`
const record = (n: number, text: string, stream = 'stdout', tag = 'F') =>
  `${time(n)} ${stream} ${tag} ${text}\n`

async function readLog(content: string, o: Partial<LogOptions> = {}): Promise<Buffer> {
  const path = join(directory, 'log')
  await writeFile(path, content)
  const chunks: Buffer[] = []
  for await (const chunk of openLog(op, { ...base, path, ended: AbortSignal.abort(), ...o }))
    chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

test('openLog() joins partial records and keeps the text as it was', async () => {
  const content = record(1, 'he', 'stdout', 'P') + record(2, 'llo') + record(3, 'ünï code ')
  assert.equal(String(await readLog(content)), 'hello\nünï code \n')
})

test('openLog() frames both streams', async () => {
  const seen: [number, string][] = []
  const decoder = new FrameDecoder((stream, data) => seen.push([stream, String(data)]))
  const content = record(1, 'a') + record(2, 'b') + record(3, 'e', 'stderr') + record(4, 'c')
  decoder.push(await readLog(content, { framing: 'multiplexed' }))
  assert.deepEqual(seen, [
    [1, 'a\nb\n'],
    [2, 'e\n'],
    [1, 'c\n'],
  ])
  assert.equal(String(await readLog(content, { stdout: false })), 'e\n')
})

test('openLog() takes lines from the end, partial records counted once', async () => {
  const content = record(1, 'one') + record(2, 't', 'stdout', 'P') + record(3, 'wo') + record(4, 'three')
  assert.equal(String(await readLog(content, { tail: 0 })), '')
  assert.equal(String(await readLog(content, { tail: 1 })), 'three\n')
  assert.equal(String(await readLog(content, { tail: 2 })), 'two\nthree\n')
  assert.equal(String(await readLog(content, { tail: 9 })), 'one\ntwo\nthree\n')
  assert.equal(String(await readLog('', { tail: 3 })), '')
})

test('openLog() counts a last line that has not ended', async () => {
  const content =
    record(1, 'one') + record(2, 'two') + record(3, 'op', 'stdout', 'P') + record(4, 'en', 'stdout', 'P')
  assert.equal(String(await readLog(content, { tail: 0 })), '')
  assert.equal(String(await readLog(content, { tail: 1 })), 'open')
  assert.equal(String(await readLog(content, { tail: 2 })), 'two\nopen')
})

test('openLog() takes any number of lines from the end of a long log', async () => {
  const lines = Array.from({ length: 9000 }, (_, n) => `line ${n} ${'x'.repeat(n % 97)}`)
  const content = lines.map((line, n) => record(n, line)).join('')
  for (const tail of [1, 2, 700, 701, 4321, 8999, 9000, 9001]) {
    const wanted = lines.slice(-tail).join('\n') + '\n'
    assert.equal(String(await readLog(content, { tail })), wanted, `tail ${tail}`)
  }
})

test('openLog() finds a span of time in a long log', async () => {
  const start = Date.UTC(2026, 0, 1)
  const count = 20_000
  const at = (n: number) => `${new Date(start + n * 1000).toISOString().slice(0, 19)}.000000000+00:00`
  const content = Array.from(
    { length: count },
    (_, n) => `${at(n)} stdout F line ${n} ${'y'.repeat(40)}\n`,
  ).join('')
  const nano = (n: number) => BigInt(start + n * 1000) * 1_000_000n
  for (const from of [0, 1, 9999, 19_998]) {
    const text = String(await readLog(content, { since: nano(from), until: nano(from + 1) }))
    const found = text.match(/line \d+/g)
    assert.deepEqual(found, [`line ${from}`, `line ${from + 1}`])
  }
})

test('openLog() prints times in UTC, once a line', async () => {
  const content =
    record(1, 'a', 'stdout', 'P') + record(2, 'b') + '2026-01-02T01:00:00.000000005+02:00 stdout F c\n'
  assert.equal(
    String(await readLog(content, { timestamps: true })),
    '2026-01-02T03:04:01.000000001Z ab\n2026-01-01T23:00:00.000000005Z c\n',
  )
})

test('openLog() follows until the container has ended, and then takes the rest', async () => {
  const path = join(directory, 'followed')
  await writeFile(path, record(1, 'first'))
  const ended = new AbortController()
  const stream = openLog(op, { ...base, follow: true, path, ended: ended.signal })
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    if (text === 'first\n') await appendFile(path, record(2, 'second').slice(0, 20))
    if (text === 'first\n') await appendFile(path, record(2, 'second').slice(20))
    if (text.endsWith('second\n')) {
      await appendFile(path, record(3, 'last'))
      ended.abort()
    }
  }
  assert.equal(text, 'first\nsecond\nlast\n')
})

test('openLog() of a container that never started is empty', async () => {
  const stream = openLog(op, { ...base, path: join(directory, 'none'), ended: AbortSignal.abort() })
  assert.deepEqual(await stream.toArray(), [])
})
