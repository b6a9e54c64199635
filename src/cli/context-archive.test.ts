import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { packContext, unpackContext } from './context-archive.ts'
import { addEntry, packTar, type NewEntry } from './tar/pack-tar.ts'

const far = {
  name: 'far',
  description: 'a machine',
  host: 'tcp://far:2376',
  skipTlsVerify: true,
  tls: { ca: 'CA', key: 'KEY' },
}
const archive = (...entries: (NewEntry & { text?: string })[]) =>
  packTar(async (pack) => {
    for (const { text, ...header } of entries) await addEntry(pack, header, text)
  })
const meta = { name: 'meta.json', text: '{"Endpoints":{"docker":{"Host":"tcp://a:1"}}}' }

test('a context comes out of its archive as it went in, under another name', async () => {
  assert.deepEqual(await unpackContext(packContext(far), 'near'), { ...far, name: 'near' })
  const plain = { ...far, description: '', tls: {} }
  assert.deepEqual(await unpackContext(packContext(plain), 'far'), plain)
  const bytes = await buffer(packContext(plain))
  // Docker's end there: meta.json, and a folder without anything after its header.
  const cut = bytes.subarray(0, 512 + bytes.subarray(512).indexOf(0))
  assert.deepEqual(await unpackContext(Readable.from([cut]), 'far'), plain)
  assert.deepEqual(await buffer(packContext(far)), await buffer(packContext(far)), 'the same bytes')
})

test('unpackContext() refuses what no context holds', async () => {
  const refused = async (source: Readable, message: RegExp) =>
    assert.rejects(unpackContext(source, 'x'), { message })
  await refused(archive(), /^invalid context: no metadata found$/)
  await refused(archive({ ...meta, text: '{' }), /^invalid context: meta\.json: /)
  await refused(archive({ ...meta, text: '{}' }), /no docker endpoint/)
  await refused(archive(meta, { name: '../../key', text: 'x' }), /^\.\.\/\.\.\/key: unexpected context file$/)
  await refused(archive(meta, { name: 'tls/docker/id_rsa', text: 'x' }), /^tls\/docker\/id_rsa: unexpected/)
  await refused(
    archive({ name: 'meta.json', type: 'symlink', linkname: '/etc/shadow' }),
    /^meta\.json: unexpected context file$/,
  )
  await refused(Readable.from([Buffer.from('PK\x03\x04 and so on')]), /^zip archives/)
  await refused(Readable.from([Buffer.alloc(700, 7)]), /^the context is no tar archive/)
  const whole = await buffer(archive(meta))
  await refused(Readable.from([whole.subarray(0, 520)]), /cut short: meta\.json/)
  const large = { ...meta, name: 'tls/docker/ca.pem', text: 'x'.repeat(11 << 20) }
  await refused(archive(meta, large), /larger than 10 MiB/)
})
