import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { bytesOf, encodeHeader, parseHeader, parsePax, type TarEntry } from './tar-header.ts'
import { TarParser } from './tar-parser.ts'
import { readTar } from './tar-reader.ts'
import { rawBlock, tarArchive, type TestEntry } from './testing.ts'

/** What a parser says of an archive, fed in pieces of the given size. */
function parse(archive: Buffer, piece = archive.length): { entry: TarEntry; data: string; ended: boolean }[] {
  const seen: { entry: TarEntry; data: string; ended: boolean }[] = []
  const parser = new TarParser({
    entry: (entry) => seen.push({ entry, data: '', ended: false }),
    data: (chunk) => {
      const last = seen.at(-1)
      if (last) last.data += chunk.toString()
    },
    endEntry: () => {
      const last = seen.at(-1)
      if (last) last.ended = true
    },
  })
  for (let offset = 0; offset < archive.length; offset += piece)
    parser.push(archive.subarray(offset, offset + piece))
  parser.end()
  return seen
}

const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`

test('what is written is read back, whatever the size of the pieces', () => {
  const entries: TestEntry[] = [
    { name: 'dir', type: 'directory', mode: 0o1777 },
    { name: 'dir/file', data: 'x'.repeat(1500), uid: 1000, gid: 3_000_000, mtime: 12 },
    { name: 'empty' },
    { name: `dir/${'n'.repeat(120)}`, data: 'long name' },
    { name: `${'p'.repeat(80)}/${'q'.repeat(80)}`, data: 'with prefix' },
    { name: long, type: 'directory' },
    { name: 'link', type: 'symlink', link: 't'.repeat(200) },
    { name: 'hard', type: 'hardlink', link: 'dir/file' },
    { name: 'null', type: 'char', major: 1, minor: 3 },
    { name: 'pipe', type: 'fifo' },
    { name: 'with', data: '1', xattrs: { 'user.a': 'x=y\n', 'security.capability': '\0\u0001' } },
    { name: Buffer.from([0x66, 0xff]).toString('latin1'), mtime: -5 },
  ]
  const archive = tarArchive(entries)
  for (const piece of [archive.length, 1, 511, 513, 4096]) {
    const seen = parse(archive, piece)
    assert.equal(seen.length, entries.length)
    for (const [index, expected] of entries.entries()) {
      const got = seen[index]
      assert.ok(got?.ended)
      assert.equal(got.entry.name, expected.name)
      assert.equal(got.entry.type, expected.type ?? 'file')
      assert.equal(got.data, expected.data ?? '')
      assert.equal(got.entry.linkName, expected.link ?? '')
      assert.equal(got.entry.uid, expected.uid ?? 0)
      assert.equal(got.entry.gid, expected.gid ?? 0)
      assert.deepEqual(got.entry.mtime, { sec: expected.mtime ?? 1_600_000_000, nsec: 0 })
      assert.equal(got.entry.minor, expected.minor ?? 0)
      for (const [key, value] of Object.entries(expected.xattrs ?? {}))
        assert.deepEqual(got.entry.xattrs.get(key), Buffer.from(value))
    }
  }
})

test("GNU's long names and base-256 numbers are understood", () => {
  const archive = Buffer.concat([
    rawBlock('L', Buffer.from(`${long}\0`)),
    rawBlock('K', Buffer.from(`${'k'.repeat(150)}\0`)),
    tarArchive([
      {
        name: 'short',
        type: 'symlink',
        link: 'x',
        patch: (header) => {
          header.fill(0, 108, 116)
          header[108] = 0x80
          header.writeUInt32BE(3_000_000_000, 112)
          header.write('ustar  \0', 257, 'latin1')
          header.fill(0xff, 136, 148)
        },
      },
    ]),
  ])
  const [only] = parse(archive)
  assert.equal(only?.entry.name, long)
  assert.equal(only?.entry.linkName, 'k'.repeat(150))
  assert.equal(only?.entry.uid, 3_000_000_000)
  assert.equal(only?.entry.mtime.sec, -1)
})

test('times of extended headers have fractions and may be before 1970', () => {
  for (const [text, expected] of [
    ['12.5', { sec: 12, nsec: 500_000_000 }],
    ['-1.25', { sec: -2, nsec: 750_000_000 }],
    ['7', { sec: 7, nsec: 0 }],
    ['1.1234567899', { sec: 1, nsec: 123_456_789 }],
  ] as const) {
    const record = ` mtime=${text}\n`
    const body = Buffer.from(`${record.length + 2}${record}`)
    const [only] = parse(Buffer.concat([rawBlock('x', body), tarArchive([{ name: 'a' }])]))
    assert.deepEqual(only?.entry.mtime, expected)
  }
})

test('a directory may be written as a file whose name ends in a slash', () => {
  const [only] = parse(tarArchive([{ name: 'old/' }]))
  assert.equal(only?.entry.type, 'directory')
  assert.equal(only?.entry.name, 'old')
})

test('global records have no effect, and an archive may lack its end mark', () => {
  const global = rawBlock('g', Buffer.from('16 comment=hello\n'.replace('16', '17')))
  const archive = Buffer.concat([global, tarArchive([{ name: 'a', data: '1' }])])
  assert.equal(parse(archive).length, 1)
  assert.equal(parse(archive.subarray(0, -1024)).length, 1)
  assert.equal(parse(Buffer.concat([archive, Buffer.from('anything')])).length, 1)
  // Neither the last entry's padding nor the end blocks: what Docker's client sends for `build -f -`.
  assert.equal(parse(tarArchive([{ name: 'a', data: 'hello' }]).subarray(0, 517)).length, 1)
})

test('damaged and lying headers are refused', () => {
  const good = tarArchive([{ name: 'a', data: 'hello' }])
  const cases: [string, Buffer, RegExp][] = [
    ['cut off in a header', good.subarray(0, 300), /middle of an entry/],
    ['cut off in the data', good.subarray(0, 514), /middle of an entry/],
    ['not tar', Buffer.alloc(1024, 'x'), /checksum|not a number/],
    [
      'a size that is no number',
      tarArchive([{ name: 'a', patch: (h) => void h.write('99999999999', 124) }]),
      /not a number/,
    ],
    [
      'a negative size',
      tarArchive([{ name: 'a', patch: (h) => void h.fill(0xff, 124, 136) }]),
      /size of "a" is negative/,
    ],
    [
      'a size beyond all bounds',
      tarArchive([{ name: 'a', patch: (h) => void h.fill(0x7f, 124, 136).writeUInt8(0x80, 124) }]),
      /out of range/,
    ],
    [
      'more data promised than there is',
      tarArchive([{ name: 'a', patch: (h) => void h.write('77777777777', 124) }]),
      /middle of an entry/,
    ],
    [
      'a long extended header',
      rawBlock('x', Buffer.alloc(10), { size: 1 << 21 }),
      /extended header of 2097152 bytes/,
    ],
    ['a long GNU name', rawBlock('L', Buffer.alloc(10), { size: 8 ** 11 - 1 }), /extended header of/],
    [
      'an endless name',
      Buffer.concat([rawBlock('L', Buffer.alloc(5000, 'n')), good]),
      /a name has 5000 bytes/,
    ],
    [
      'a record with a wrong length',
      Buffer.concat([rawBlock('x', Buffer.from('99 path=a\n')), good]),
      /wrong length/,
    ],
    [
      'a record without an end',
      Buffer.concat([rawBlock('x', Buffer.from('9 path=ab')), good]),
      /wrong length/,
    ],
    ['a record of length 0', Buffer.concat([rawBlock('x', Buffer.from('0 a=b\n')), good]), /wrong length/],
    ['a record without a value', Buffer.concat([rawBlock('x', Buffer.from('7 path\n')), good]), /no value/],
    ['a NUL in a path', Buffer.concat([rawBlock('x', Buffer.from('12 path=a\0b\n')), good]), /NUL/],
    [
      'a size record that lies',
      Buffer.concat([rawBlock('x', Buffer.from('12 size=-12\n')), good]),
      /not a number/,
    ],
    ['an owner out of range', tarArchive([{ name: 'a', uid: 0xffffffff }]), /owner .* out of range/],
    ['entries after the end mark', Buffer.concat([Buffer.alloc(512), good]), /follows its end mark/],
    [
      'an extended header of nothing',
      rawBlock('x', Buffer.from('8 path=a\n'.replace('8', '9'))),
      /ends with an extended header/,
    ],
  ]
  for (const [what, archive, message] of cases)
    assert.throws(
      () => parse(archive),
      (error: Error & { kind?: string }) => {
        assert.match(error.message, message, what)
        assert.equal(error.kind, 'invalid', what)
        return true
      },
      what,
    )
})

test('sparse files and unknown types are refused by name', () => {
  const sparse = tarArchive([{ name: 'holes', patch: (h) => void h.write('S', 156) }])
  assert.throws(() => parse(sparse), { kind: 'unsupported', message: /"holes" is a sparse file/ })
  const record = Buffer.from('22 GNU.sparse.major=1\n')
  const pax = Buffer.concat([rawBlock('x', record), tarArchive([{ name: 'holes' }])])
  assert.throws(() => parse(pax), { kind: 'unsupported', message: /"holes" is a sparse file/ })
  const odd = tarArchive([{ name: 'odd', patch: (h) => void h.write('V', 156) }])
  assert.throws(() => parse(odd), { kind: 'unsupported', message: /"odd" has the unknown type "V"/ })
})

test('parseHeader() takes signed checksums, as old writers made them', () => {
  const header = encodeHeader({
    name: bytesOf('ü').toString('latin1'),
    type: 'file',
    linkName: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { sec: 0, nsec: 0 },
    major: 0,
    minor: 0,
    xattrs: new Map(),
  })
  header.fill(0x20, 148, 156)
  let sum = 0
  for (const byte of header) sum += byte > 127 ? byte - 256 : byte
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  assert.ok(parseHeader(header))
  header[0] = 0x41
  assert.throws(() => parseHeader(header), { kind: 'invalid' })
})

test('parsePax() takes values with any bytes', () => {
  const value = Buffer.from([0, 10, 61, 255])
  const record = Buffer.concat([Buffer.from('9 k='), value, Buffer.from('\n')])
  assert.deepEqual(parsePax(record).get('k'), value)
})

test('readTar() gives entries one by one, and skips what is not read', async () => {
  const archive = tarArchive([
    { name: 'a', data: 'A'.repeat(3000) },
    { name: 'b', data: 'B' },
    { name: 'c', data: 'C'.repeat(700) },
  ])
  const pieces = Array.from({ length: Math.ceil(archive.length / 100) }, (_, i) =>
    archive.subarray(i * 100, i * 100 + 100),
  )
  const seen: string[] = []
  for await (const { entry, body } of readTar(Readable.from(pieces))) {
    if (entry.name === 'a') continue
    let text = ''
    for await (const chunk of body) {
      text += chunk.toString()
      if (entry.name === 'c') break
    }
    seen.push(`${entry.name}${text.length > 0 ? text[0] : ''}`)
  }
  assert.deepEqual(seen, ['bB', 'cC'])
})
