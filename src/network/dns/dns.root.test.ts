import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import * as netns from '../../host/netns.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { Dns } from './dns.ts'
import { ask } from './testing.ts'

const op = background(silentLogger)
const folder = mkdtempSync(join(tmpdir(), 'gdns-'))
const here = join(folder, 'a')
let dns: Dns

before(() => {
  netns.create(here)
  dns = new Dns()
  dns.start()
})
after(async () => {
  await dns.close()
  netns.remove(here)
  rmSync(folder, { recursive: true })
})

const data = async (...args: Parameters<typeof ask>) =>
  (await ask(...args)).answers?.map((a) => ('data' in a ? a.data : undefined))

test('names of the sandbox’s networks are answered at 127.0.0.11, over UDP and TCP', async () => {
  dns.register('front', { endpoint: 'e1', names: ['Web', 'www'], addresses: ['10.9.0.2', 'fd00::2'] })
  await dns.attach(op, {
    sandbox: 's1',
    netnsPath: here,
    networks: ['front'],
    upstreams: [],
    external: true,
    extra: {},
  })
  assert.deepEqual(await data(here, { name: 'web' }), ['10.9.0.2'])
  assert.deepEqual(await data(here, { name: 'WWW.Front' }), ['10.9.0.2'])
  assert.deepEqual(await data(here, { name: 'www', type: 'AAAA' }), ['fd00::2'])
  assert.deepEqual(await data(here, { name: 'web', stream: true }), ['10.9.0.2'])
  assert.deepEqual(await data(here, { name: '2.0.9.10.in-addr.arpa', type: 'PTR' }), ['Web.front'])
  assert.equal((await ask(here, { name: 'nobody' })).rcode, 'SERVFAIL')
})
