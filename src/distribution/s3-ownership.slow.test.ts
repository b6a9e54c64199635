import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test, type TestContext } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { openS3Storage } from './s3.ts'
import { S3Client } from './s3-client.ts'
import { S3Ownership, type OwnershipTimes } from './s3-ownership.ts'
import { parseS3Location } from './s3-settings.ts'
import { FakeS3 } from './s3-testing.ts'

const op = background(silentLogger)
/** Ages are in whole seconds. */
const times: OwnershipTimes = { renewMs: 30, holdMs: 200, staleMs: 1000 }

async function start(t: TestContext) {
  const fake = await FakeS3.start('images')
  const settings = parseS3Location('s3://images/some', {
    endpoint: fake.endpoint,
    credentials: () => Promise.resolve({ accessKeyId: 'a', secretAccessKey: 'b' }),
  })
  const client = new S3Client({ ...settings, attempts: 1 })
  t.after(async () => {
    client.close()
    await fake[Symbol.asyncDispose]()
  })
  const claim = (id: string, o: Partial<OwnershipTimes> = {}) =>
    S3Ownership.claim(op, client, { id, times: { ...times, ...o } })
  const owner = () =>
    (JSON.parse(fake.objects.get('some/.owner')?.data.toString() ?? '{}') as { id?: string }).id
  return { fake, settings, claim, owner }
}

describe('a storage in S3 belongs to one server', () => {
  for (const conditions of ['known', 'ignored', 'refused'] as const)
    test(`a second one is refused while the first renews its claim (conditional writes are ${conditions})`, async (t) => {
      const { fake, claim, owner } = await start(t)
      fake.conditions = conditions
      const first = await claim('one')
      await sleep(100)
      first.assertOurs()
      await assert.rejects(claim('other', { staleMs: 60_000 }), {
        kind: 'conflict',
        message:
          /^Cannot open the registry's storage at http.*\/images\/some\/: the server on .* \(process \d+\) uses it, and said so/,
      })
      await first[Symbol.asyncDispose]()
      assert.equal(owner(), undefined)
      await using _other = await claim('other')
      assert.equal(owner(), 'other')
    })

  test('of two that claim at the same moment one gets it', async (t) => {
    const { claim } = await start(t)
    const [one, other] = await Promise.allSettled([claim('one'), claim('other')])
    const won = [one, other].filter((result) => result.status === 'fulfilled')
    assert.equal(won.length, 1)
    for (const { value } of won) await value[Symbol.asyncDispose]()
  })

  test('an answer that is lost does not make it somebody else’s', async (t) => {
    const { fake, settings } = await start(t)
    let lost = 1
    fake.mishap = (request) => (request.method === 'PUT' && lost-- > 0 ? 'lost answer' : undefined)
    const client = new S3Client({ ...settings, pauseMs: 1 })
    t.after(() => client.close())
    await using ownership = await S3Ownership.claim(op, client, { id: 'one', times })
    ownership.assertOurs()
    assert.equal(lost, -1)
  })

  test('a killed one is followed at once by itself, and by others when it is stale', async (t) => {
    const { fake, claim, owner } = await start(t)
    const killed = await claim('one', { renewMs: 60_000 })
    await using again = await claim('one', { renewMs: 60_000 })
    again.assertOurs()
    const mark = fake.objects.get('some/.owner')
    assert(mark)
    fake.objects.set('some/.owner', { ...mark, modified: new Date(Date.now() - 5000) })
    await using other = await claim('other')
    assert.equal(owner(), 'other')
    other.assertOurs()
    await killed[Symbol.asyncDispose]()
    assert.equal(owner(), 'other', 'what another has is not given back')
  })

  test('one that cannot renew writes no more, and goes on when it can', async (t) => {
    const { fake, claim } = await start(t)
    await using ownership = await claim('one')
    fake.mishap = () => ({ status: 503, code: 'SlowDown' })
    await sleep(300)
    assert.throws(() => ownership.assertOurs(), { kind: 'unavailable', message: /does not answer/ })
    fake.mishap = () => undefined
    await sleep(100)
    ownership.assertOurs()
  })

  test('one that lost it never writes again', async (t) => {
    const { fake, claim } = await start(t)
    await using ownership = await claim('one')
    fake.put('some/.owner', Buffer.from(JSON.stringify({ id: 'other', host: 'elsewhere', pid: 7 })))
    await sleep(100)
    assert.throws(() => ownership.assertOurs(), {
      kind: 'unavailable',
      message: /the server on elsewhere has taken/,
    })
    fake.objects.delete('some/.owner')
    await sleep(100)
    assert.throws(() => ownership.assertOurs(), { kind: 'unavailable' })
  })

  test('the mark is none of the objects, and goes with the storage', async (t) => {
    const { fake, settings, owner } = await start(t)
    const storage = await openS3Storage(op, settings, { owner: 'one' })
    await storage.write(op, 'a', Buffer.from('x'))
    assert.deepEqual(await Array.fromAsync(storage.list(op, ''), ({ key }) => key), ['a'])
    assert.deepEqual(await Array.fromAsync(storage.children(op, '')), ['a'])
    assert.equal(owner(), 'one')
    await assert.rejects(openS3Storage(op, settings), { kind: 'conflict' })
    await storage[Symbol.asyncDispose]()
    assert.deepEqual([...fake.objects.keys()], ['some/a'])
  })
})
