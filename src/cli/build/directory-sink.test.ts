import assert from 'node:assert/strict'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pack, type Header } from 'tar-stream'
import { directorySink } from './directory-sink.ts'

type Entry = Partial<Header> & { name: string }

const scratch = mkdtempSync(join(tmpdir(), 'sink-'))
after(() => rmSync(scratch, { recursive: true }))

async function tarOf(entries: readonly [Entry, string?][]): Promise<Buffer> {
  const archive = pack()
  for (const [header, content = ''] of entries) archive.entry(header, content)
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function receive(dest: string, entries: readonly [Entry, string?][]): Promise<string[]> {
  const skipped: string[] = []
  using sink = directorySink(dest, (name) => skipped.push(name))
  const tar = await tarOf(entries)
  for (let at = 0; at < tar.length; at += 700) await sink.write(tar.subarray(at, at + 700))
  await sink.end()
  return skipped
}

const mtime = new Date(1_000_000_000_000)

test('files, links and directories arrive with mode and time', async () => {
  const dest = join(scratch, 'a', 'b')
  const skipped = await receive(dest, [
    [{ name: './', type: 'directory' }],
    [{ name: 'd/', type: 'directory', mode: 0o555, mtime }],
    [{ name: 'd/f', mode: 0o755, mtime }, 'x'.repeat(3000)],
    [{ name: 'd/h', type: 'link', linkname: 'd/f' }],
    [{ name: 'l', type: 'symlink', linkname: '/etc/passwd', mtime }],
    [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }],
  ])
  assert.deepEqual(skipped, ['null'])
  assert.deepEqual(readdirSync(dest).toSorted(), ['d', 'l'])
  assert.equal(readFileSync(join(dest, 'd/h'), 'utf8').length, 3000)
  assert.equal(lstatSync(join(dest, 'd')).mode & 0o777, 0o555)
  assert.equal(lstatSync(join(dest, 'd/f')).mtimeMs, mtime.getTime())
  assert.ok(lstatSync(join(dest, 'l')).isSymbolicLink())
})

test('what is there is merged with, and links in it are replaced, not followed', async () => {
  const dest = join(scratch, 'merge')
  const outside = join(scratch, 'outside')
  mkdirSync(dest)
  mkdirSync(outside)
  writeFileSync(join(dest, 'keep'), 'old')
  writeFileSync(join(outside, 'f'), 'untouched')
  symlinkSync(outside, join(dest, 'd'))
  symlinkSync(join(outside, 'f'), join(dest, 'g'))
  await receive(dest, [[{ name: 'd/', type: 'directory' }], [{ name: 'd/f' }, 'new'], [{ name: 'g' }, 'new']])
  assert.deepEqual(readdirSync(dest).toSorted(), ['d', 'g', 'keep'])
  assert.equal(readFileSync(join(outside, 'f'), 'utf8'), 'untouched')
  assert.equal(readFileSync(join(dest, 'd/f'), 'utf8'), 'new')
  assert.ok(lstatSync(join(dest, 'd')).isDirectory())
})

test('entries that lead elsewhere are refused, and nothing changes', async () => {
  const bad: [Entry, string?][][] = [
    [[{ name: '../x' }, 'x']],
    [[{ name: 'a/x' }, 'x']],
    [[{ name: 's', type: 'symlink', linkname: '/tmp' }], [{ name: 's/x' }, 'x']],
    [[{ name: 'h', type: 'link', linkname: '../../etc/passwd' }]],
  ]
  const dest = join(scratch, 'bad')
  for (const entries of bad) {
    await assert.rejects(receive(dest, [[{ name: 'good' }, 'x'], ...entries]), { kind: 'invalid' })
    assert.deepEqual(readdirSync(dest), [])
  }
})

test('a stream that ends early leaves nothing', async () => {
  const dest = join(scratch, 'cut')
  const tar = await tarOf([[{ name: 'f' }, 'x'.repeat(5000)]])
  {
    using sink = directorySink(dest, () => {})
    await sink.write(tar.subarray(0, 2000))
  }
  assert.deepEqual(readdirSync(dest), [])
})
