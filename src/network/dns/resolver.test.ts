import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode, type DecodedPacket, type Packet } from 'dns-packet'
import { seededChoice } from '../../lib/seeded-random.ts'
import type { Server } from './forward.ts'
import { Names } from './names.ts'
import { Resolver, type View } from './resolver.ts'
import { StreamMessages, frame } from './stream.ts'

const names = new Names()
names.register('net', { endpoint: '1', names: ['web'], addresses: ['10.1.0.2', 'fd01::2'] })
names.register('net', { endpoint: '2', names: ['v4'], addresses: ['10.1.0.3'] })
names.register('net', {
  endpoint: '3',
  names: ['many'],
  addresses: Array.from({ length: 60 }, (_, i) => `10.1.1.${i}`),
})
names.register('net', { endpoint: '4', names: ['n'.repeat(70), 'short'], addresses: ['10.1.0.4'] })

/** Answers everything with the record type 16, empty. */
const asked: string[] = []
const world: Server = {
  silent: false,
  dead: false,
  patience: 100,
  overdue() {},
  probeIsDue: () => false,
  ask(query, _o, done) {
    asked.push(decode(query).questions?.[0]?.name ?? '')
    queueMicrotask(() => done(Buffer.from('world')))
    return () => {}
  },
  askStream: () => Promise.resolve(Buffer.from('world, at length')),
}
const load = { forwarded: 0, limit: 2000 }
const resolver = (view: Partial<View> = {}, upstreams: readonly Server[] = [world]) =>
  new Resolver({
    names,
    upstreams,
    load,
    view: { networks: ['net'], external: true, extra: {}, links: {}, ndotsSet: false, ...view },
  })
const query = (name: string, type = 'A', more: Packet = {}) =>
  encode({ type: 'query', id: 7, flags: 0x100, questions: [{ name, type: type as 'A' }], ...more })
type Reply = DecodedPacket & { rcode?: string }
async function ask(r: Resolver, bytes: Buffer, stream = false): Promise<Reply> {
  const reply = await r.answer(bytes, stream)
  assert.ok(reply)
  return decode(reply)
}
const data = (reply: Packet) => reply.answers?.map((a) => ('data' in a ? a.data : undefined))

test('own names: A, AAAA, an empty answer for what they have not; nobody else is asked', async () => {
  const r = resolver()
  const reply = await ask(r, query('WeB.'))
  assert.deepEqual(data(reply), ['10.1.0.2'])
  assert.deepEqual(reply.questions?.[0]?.name, 'WeB')
  assert.deepEqual([reply.id, reply.rcode, reply.flag_ra, reply.flag_rd], [7, 'NOERROR', true, true])
  assert.partialDeepStrictEqual(reply.answers, [{ ttl: 600 }])
  assert.deepEqual(data(await ask(r, query('web', 'AAAA'))), ['fd01::2'])
  assert.deepEqual(data(await ask(r, query('web', 'ANY'))), ['10.1.0.2', 'fd01::2'])
  for (const [name, type] of [
    ['v4', 'AAAA'],
    ['web', 'MX'],
    ['web', 'TXT'],
    ['web', 'HTTPS'],
  ] as const) {
    const none = await ask(r, query(name, type))
    assert.deepEqual([none.rcode, none.answers], ['NOERROR', []], type)
  }
  assert.deepEqual(asked, [])
})

test('addresses have names; one that the format cannot hold is left out', async () => {
  assert.deepEqual(data(await ask(resolver(), query('2.0.1.10.in-addr.arpa', 'PTR'))), ['web.net'])
  assert.deepEqual(data(await ask(resolver(), query('4.0.1.10.IN-ADDR.ARPA', 'PTR'))), ['short.net'])
})

test('other names go to the world, whatever their type', async () => {
  const r = resolver()
  assert.equal(String(await r.answer(query('example.org', 'TXT'), false)), 'world')
  assert.equal(String(await r.answer(query('single'), false)), 'world')
  assert.equal(String(await r.answer(query('1.0.0.10.in-addr.arpa', 'PTR'), false)), 'world')
  assert.equal(String(await r.answer(query('example.org'), true)), 'world, at length')
  assert.deepEqual(asked.splice(0), ['example.org', 'single', '1.0.0.10.in-addr.arpa'])
})

test('on internal networks and without servers there is no world', async () => {
  assert.equal((await ask(resolver({ external: false }), query('example.org'))).rcode, 'SERVFAIL')
  assert.equal((await ask(resolver({}, []), query('example.org'))).rcode, 'SERVFAIL')
  assert.deepEqual(asked, [])
})

test('with ndots set, a name without a dot is none of the world', async () => {
  const reply = await ask(resolver({ ndotsSet: true }), query('single'))
  assert.deepEqual([reply.rcode, reply.answers, asked], ['NOERROR', [], []])
})

test('names of the container’s own come first; update() changes what it sees', async () => {
  const r = resolver({ extra: { 'host.docker.internal': ['172.17.0.1'], Web: ['10.9.9.9'] } })
  assert.deepEqual(data(await ask(r, query('host.docker.internal'))), ['172.17.0.1'])
  assert.deepEqual(data(await ask(r, query('host.docker.internal', 'AAAA'))), [])
  assert.deepEqual(data(await ask(r, query('web'))), ['10.9.9.9'])
  r.update({ extra: {}, networks: [] })
  assert.equal(String(await r.answer(query('web'), false)), 'world')
  asked.length = 0
})

test('a link goes before another’s name, on its network alone, and while its target is there', async () => {
  const r = resolver({ links: { net: { db: 'web', v4: 'web', gone: 'nobody' }, other: { x: 'web' } } })
  assert.deepEqual(data(await ask(r, query('DB'))), ['10.1.0.2'])
  assert.deepEqual(data(await ask(r, query('v4'))), ['10.1.0.2'])
  for (const name of ['gone', 'x']) assert.equal(String(await r.answer(query(name), false)), 'world')
  asked.length = 0
})

test('an answer that the client cannot take is cut and says so; TCP and EDNS clients get more', async () => {
  const r = resolver()
  const cut = await ask(r, query('many'))
  assert.equal(cut.flag_tc, true)
  assert.ok((r.answer(query('many'), false) as Buffer).length <= 512)
  assert.ok((cut.answers?.length ?? 0) > 10)
  const whole = await ask(r, query('many'), true)
  assert.deepEqual([whole.flag_tc, whole.answers?.length], [false, 60])
  const edns = encode({
    ...decode(query('many')),
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 4096,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  })
  assert.equal((await ask(r, edns)).answers?.length, 60)
})

test('nonsense is answered in form, or not at all', async () => {
  const r = resolver()
  assert.equal(r.answer(Buffer.from('hi'), false), undefined)
  const reply = Buffer.from(query('web'))
  reply[2] = 0x81
  assert.equal(r.answer(reply, false), undefined, 'a reply is no query')
  const two = encode({
    id: 9,
    questions: [
      { name: 'a', type: 'A' },
      { name: 'b', type: 'A' },
    ],
  })
  assert.equal((await ask(r, two)).rcode, 'FORMERR')
  assert.equal((await ask(r, query('web').subarray(0, 14))).rcode, 'FORMERR')
  const pointer = Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1])
  assert.equal((await ask(r, pointer)).rcode, 'FORMERR')
  const notify = Buffer.from(query('web'))
  notify[2] = 0x21
  assert.equal((await ask(r, notify)).rcode, 'NOTIMP')
  // A byte that is a dot only when printed: another name.
  const dotted = query('web')
  assert.equal(
    String(await r.answer(Buffer.from(dotted.toString('latin1').replace('web', 'w\x00b'), 'latin1'), false)),
    'world',
  )
})

test('random bytes never throw', () => {
  const r = resolver({ external: false })
  const below = seededChoice(42)
  for (let i = 0; i < 3000; i++) {
    const bytes = Buffer.from(query(below(2) ? 'web' : '2.0.1.10.in-addr.arpa', below(2) ? 'PTR' : 'A'))
    for (let n = below(4); n > 0; n--) bytes[below(bytes.length)] = below(256)
    void r.answer(bytes.subarray(0, below(5) ? bytes.length : below(bytes.length)), below(2) === 0)
  }
})

test('questions to the world that are under way are limited', async () => {
  const busy = resolver({}, [{ ...world, ask: () => () => {} }])
  for (let i = 0; i < 1024; i++) void busy.answer(query('example.org'), false)
  assert.equal((await ask(busy, query('example.org'))).rcode, 'REFUSED')
  // And those of all together.
  const other = resolver({}, [{ ...world, ask: () => () => {} }])
  for (let i = 1024; i < load.limit; i++) void other.answer(query('example.org'), false)
  assert.equal((await ask(other, query('example.org'))).rcode, 'REFUSED')
  assert.deepEqual(data(await ask(busy, query('web'))), ['10.1.0.2'])
})

test('StreamMessages parts what comes in any pieces', () => {
  const seen: string[] = []
  const messages = new StreamMessages((m) => seen.push(String(m)))
  const all = Buffer.concat(['one', '', 'three'].map((text) => frame(Buffer.from(text))))
  for (const byte of all) messages.add(Buffer.from([byte]))
  messages.add(all)
  assert.deepEqual(seen, ['one', '', 'three', 'one', '', 'three'])
})
