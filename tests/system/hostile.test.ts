import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { dockerArchive, rawHeader, tar, type Entry } from './archives.ts'
import { busyboxTar, system } from './harness.ts'

const end = Buffer.alloc(1024)

suite('hostile archives through load', () => {
  const s = system()

  /** The layer's bytes; `@` is a directory of the host outside every image. */
  const layers: Record<string, (outside: string) => Promise<Buffer> | Buffer> = {
    'a name with ..': () => rawTar(rawHeader({ name: '../../../../../../../../tmp/gt-escape' })),
    '.. in the middle of a name': () => tar([{ name: 'a/../../../../../../tmp/gt-escape', content: 'x' }]),
    'a file through a symlink that leads out': (outside) =>
      tar([
        { name: 'd', type: 'symlink', linkname: outside },
        { name: 'd/made', content: 'x' },
      ]),
    'a file through a relative symlink that leads out': (outside) =>
      tar([
        { name: 'd', type: 'symlink', linkname: `../../../../../../../..${outside}` },
        { name: 'd/made', content: 'x' },
      ]),
    'a hard link to a file outside': (outside) =>
      tar([{ name: 'h', type: 'link', linkname: `../../../../../../../..${outside}/secret` }]),
    'a hard link through a symlink that leads out': (outside) =>
      tar([
        { name: 'd', type: 'symlink', linkname: outside },
        { name: 'h', type: 'link', linkname: 'd/secret' },
        { name: 'h', content: 'changed' },
      ]),
    'a device node': () => tar([device]),
    'a size beyond the end of the archive': () =>
      rawTar(rawHeader({ name: 'big', size: '77777777777\0' }), Buffer.from('little')),
    'a size that is no number': () => rawTar(rawHeader({ name: 'odd', size: 'zzzzzzzzzzz\0' })),
    'a negative size': () =>
      rawTar(
        rawHeader({ name: 'neg', size: Buffer.from('ffffffffffffffffffffffff', 'hex').toString('latin1') }),
      ),
    'a header with a wrong checksum': () => {
      const header = rawHeader({ name: 'sum' })
      header.write('0000000\0', 148)
      return rawTar(header)
    },
    'a long name of a gigabyte': () =>
      rawTar(rawHeader({ name: '././@LongLink', type: 'L', size: '10000000000\0' })),
    'pax records of a gigabyte': () => rawTar(rawHeader({ name: 'pax', type: 'x', size: '10000000000\0' })),
    'pax records that lie about their length': () => {
      const record = Buffer.alloc(512)
      record.write('999999 path=x\n')
      return rawTar(
        rawHeader({ name: 'pax', type: 'x', size: '00000000016\0' }),
        record,
        rawHeader({ name: 'y' }),
      )
    },
    'an archive cut short': async () =>
      (await tar([{ name: 'cut', content: Buffer.alloc(100_000) }])).subarray(0, 5000),
  }
  const device: Entry = { name: 'dev/disk', type: 'block-device', devmajor: 8, devminor: 0 }

  function rawTar(...parts: Buffer[]): Buffer {
    return Buffer.concat([...parts, end])
  }

  for (const [title, make] of Object.entries(layers))
    test(title, async () => {
      const outside = join(s.daemon.home, 'outside')
      mkdirSync(outside, { recursive: true })
      writeFileSync(join(outside, 'secret'), 'secret')
      const before = await s.ok('images', '-aq')
      // The bad layer on a good one: what is unpacked first has to go again too.
      const archive = await dockerArchive({
        layers: [await busyboxTar(), await make(outside)],
        tags: ['evil:1'],
      })
      const result = await s.run(['load'], { input: archive })
      assert.notEqual(result.code, 0, `accepted:\n${result.stdout}`)
      assert.match(result.stderr, /\S/)
      assert.ok(result.stderr.length < 1000 && !/\n\s+at /.test(result.stderr), result.stderr)
      assert.deepEqual(readdirSync(outside), ['secret'])
      assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret')
      assert.ok(!existsSync('/tmp/gt-escape'))
      assert.equal(await s.ok('images', '-aq'), before)
    })

  test('a layer that is not what its config says', async () => {
    const layer = await tar([{ name: 'a', content: 'a' }])
    const archive = await dockerArchive({
      layers: [layer],
      tags: ['evil:1'],
      diffIds: [`sha256:${'0'.repeat(64)}`],
    })
    const result = await s.run(['load'], { input: archive })
    assert.notEqual(result.code, 0)
    assert.match(result.stderr, /digest|diff/i)
  })

  test('absolute names stay inside the image', async () => {
    const layer = await tar([{ name: '/tmp/gt-escape', content: 'x' }])
    const result = await s.run(['load'], {
      input: await dockerArchive({ layers: [layer], tags: ['evil:1'] }),
    })
    assert.ok(!existsSync('/tmp/gt-escape'))
    if (result.code === 0) await s.ok('rmi', 'evil:1')
  })

  test('whiteouts do not remove anything outside', async () => {
    const outside = join(s.daemon.home, 'outside')
    const layer = await tar([
      { name: 'd', type: 'symlink', linkname: outside },
      { name: 'd/.wh.secret' },
      { name: '.wh...' },
    ])
    await s.run(['load'], { input: await dockerArchive({ layers: [layer], tags: ['evil:1'] }) })
    assert.deepEqual(readdirSync(outside), ['secret'])
  })
})
