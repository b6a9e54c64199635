import assert from 'node:assert/strict'
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { frameHeader } from '../wire/frame.ts'
import { renderList } from './format.ts'
import { OutputQueue } from './output-queue.ts'
import { copyOutput } from './streams.ts'
import { DetachWatcher, parseDetachKeys } from './terminal.ts'
import { alignTable, ellipsis } from './text.ts'
import { parseTimestamp } from './time.ts'

/** Collects what a copy writes; the file descriptors are told apart by the test itself. */
class Recorder extends OutputQueue {
  readonly writes: [number, string][] = []
  override write(fd: number, data: Buffer): boolean {
    this.writes.push([fd, data.toString()])
    return true
  }
}

function frames(...parts: [1 | 2, string][]): Buffer {
  return Buffer.concat(
    parts.flatMap(([stream, text]) => [frameHeader(stream, Buffer.byteLength(text)), Buffer.from(text)]),
  )
}

test('a multiplexed stream is taken apart, one write for each stream in a row', async () => {
  const queue = new Recorder()
  const source = new PassThrough()
  const copied = copyOutput(source, queue, { raw: false })
  source.end(frames([1, 'a'], [1, 'b'], [2, 'x'], [2, 'y'], [1, 'c']))
  await copied
  assert.deepEqual(queue.writes, [
    [1, 'ab'],
    [2, 'xy'],
    [1, 'c'],
  ])
})

test('frames may be cut anywhere', async () => {
  const data = frames([1, 'hello '], [2, 'oops'], [1, 'world'])
  for (let size = 1; size < data.length; size++) {
    const queue = new Recorder()
    const source = new PassThrough()
    const copied = copyOutput(source, queue, { raw: false })
    for (let at = 0; at < data.length; at += size) source.write(Buffer.from(data.subarray(at, at + size)))
    source.end()
    await copied
    const of = (fd: number) =>
      queue.writes
        .filter(([f]) => f === fd)
        .map(([, text]) => text)
        .join('')
    assert.equal(of(1), 'hello world')
    assert.equal(of(2), 'oops')
  }
})

test('an OutputQueue writes everything in order and asks its source to wait', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-'))
  const path = join(directory, 'out')
  const fd = openSync(path, 'w')
  try {
    const queue = new OutputQueue()
    let more = true
    for (let i = 0; i < 3000; i++) more = queue.write(fd, Buffer.alloc(1024, 65 + (i % 26)))
    assert.equal(more, false)
    await queue.drained()
    await queue.flushed()
    assert.equal(fstatSync(fd).size, 3000 * 1024)
    assert.equal(readFileSync(path)[1024 * 27], 66)
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
})

test('detach keys are found over several reads, and other bytes all go on', () => {
  const watcher = new DetachWatcher(parseDetachKeys('ctrl-p,ctrl-q'))
  assert.deepEqual(watcher.push(Buffer.from('ab\x10')), { forward: Buffer.from('ab'), detached: false })
  assert.deepEqual(watcher.push(Buffer.from('x\x10\x10')), {
    forward: Buffer.from('\x10x\x10'),
    detached: false,
  })
  assert.deepEqual(watcher.push(Buffer.from('\x11z')), { forward: Buffer.alloc(0), detached: true })
  assert.deepEqual([...parseDetachKeys('a,ctrl-[,ctrl-A')], [97, 27, 1])
  assert.throws(() => parseDetachKeys('foo'), { message: 'invalid detach keys (foo) provided' })
})

test('tables are aligned as by docker', () => {
  assert.equal(
    alignTable([
      ['ID', 'NAME', 'X'],
      ['1234567890ab', 'é', 'y'],
    ]),
    'ID             NAME      X\n1234567890ab   é         y\n',
  )
  assert.equal(ellipsis('"sleep 1000000000000"', 20), '"sleep 100000000000…')
})

test('lists: table, own table, template, json, quiet', async () => {
  const listing = {
    typeName: '*formatter.T',
    columns: {
      ID: { header: 'THE ID', value: (row: { id: string }) => row.id },
      Name: { header: 'NAME', value: (row: { id: string }) => `n${row.id}` },
    },
    methods: { Label: (row: { id: string }, name: string) => name + row.id },
    rows: [{ id: '1' }, { id: '2' }],
    table: ['ID', 'Name'],
  }
  assert.equal(await renderList('', listing), 'THE ID    NAME\n1         n1\n2         n2\n')
  assert.equal(await renderList('table {{.Name}}', listing), 'NAME\nn1\nn2\n')
  assert.equal(
    await renderList('table {{.ID}}\\t{{upper .Name}}', listing),
    'THE ID    NAME\n1         N1\n2         N2\n',
  )
  assert.equal(await renderList('{{.ID}}={{.Label "a.b"}}', listing), '1=a.b1\n2=a.b2\n')
  assert.equal(await renderList('table {{.Label "com.my-x"}}', listing), 'my x\ncom.my-x1\ncom.my-x2\n')
  assert.equal(await renderList('json', listing), '{"ID":"1","Name":"n1"}\n{"ID":"2","Name":"n2"}\n')
  assert.equal(await renderList('', { ...listing, quiet: 'ID' }), '1\n2\n')
  await assert.rejects(renderList('{{.Nope}}', listing), {
    message: `template parsing error: template: :1:2: executing "" at <.Nope>: can't evaluate field Nope in type *formatter.T`,
  })
})

test('times: durations back from now, dates, Unix seconds', () => {
  assert.equal(parseTimestamp('10m', 1_000_000_000), '999400.000000000')
  assert.equal(parseTimestamp('1136073600.5'), '1136073600.5')
  assert.equal(parseTimestamp('2006-01-02T15:04:05.25Z'), '1136214245.250000000')
  assert.throws(() => parseTimestamp('tomorrow'), { kind: 'invalid' })
})
