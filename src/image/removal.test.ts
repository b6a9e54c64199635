import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../lib/digest.ts'
import { decodeConfig } from './config.ts'
import { chainIds, planRemoval, untagged } from './removal.ts'

const id = digestOf('image')
const plan = (o: Partial<Parameters<typeof planRemoval>[0]>) =>
  planRemoval({ ref: 'a', key: undefined, id, names: [], force: false, user: undefined, ...o })
const a1 = 'docker.io/library/a:1'
const a2 = 'docker.io/library/a:2'
const aDigest = `docker.io/library/a@${id}`
const b1 = 'docker.io/library/b:1'

test('a name is taken away, and the image with its last one', () => {
  assert.deepEqual(plan({ key: a1, names: [a1] }), { untag: [a1], deleteImage: true })
  assert.deepEqual(plan({ key: a1, names: [a1, a2] }), { untag: [a1], deleteImage: false })
  assert.deepEqual(plan({ key: a1, names: [a1, aDigest] }), { untag: [a1, aDigest], deleteImage: true })
  assert.deepEqual(plan({ key: a1, names: [a1, a2, aDigest] }), { untag: [a1], deleteImage: false })
  assert.deepEqual(plan({ key: a1, names: [a1, b1, aDigest] }), { untag: [a1, aDigest], deleteImage: false })
  assert.deepEqual(plan({ key: aDigest, names: [a1, aDigest] }), { untag: [aDigest], deleteImage: false })
})

test('an id takes all names of one repository with it, those of several only by force', () => {
  assert.deepEqual(plan({ names: [] }), { untag: [], deleteImage: true })
  assert.deepEqual(plan({ names: [a1, aDigest] }), { untag: [a1, aDigest], deleteImage: true })
  assert.throws(() => plan({ names: [a1, b1] }), {
    kind: 'conflict',
    message: /must be forced.*multiple repositories/,
  })
  assert.throws(() => plan({ names: [a1, a2] }), { kind: 'conflict' })
  assert.deepEqual(plan({ names: [a1, b1], force: true }), { untag: [a1, b1], deleteImage: true })
})

test('a stopped container holds its image until forced, a running one for good', () => {
  const user = { id: 'f'.repeat(64), name: 'x', running: false }
  assert.throws(() => plan({ key: a1, names: [a1], user }), {
    message: /\(must force\) - container ffffffffffff is using/,
  })
  assert.deepEqual(plan({ key: a1, names: [a1, a2], user }), { untag: [a1], deleteImage: false })
  assert.deepEqual(plan({ key: a1, names: [a1], user, force: true }), { untag: [a1], deleteImage: true })
  const running = { ...user, running: true }
  assert.deepEqual(plan({ key: a1, names: [a1], user: running, force: true }), {
    untag: [a1],
    deleteImage: false,
  })
  assert.throws(() => plan({ names: [a1], user: running, force: true }), { message: /cannot be forced/ })
})

test('names are shown as people write them', () => {
  assert.deepEqual(untagged(a1), { Untagged: 'a:1' })
})

test("chain ids are OCI's", () => {
  const [one, two] = [digestOf('1'), digestOf('2')]
  assert.deepEqual(chainIds([one, two]), [one, digestOf(`${one} ${two}`)])
})

test('decodeConfig() takes what Go writes, and names what is wrong', () => {
  const good = {
    architecture: 'amd64',
    os: 'linux',
    variant: null,
    config: {
      Env: null,
      Cmd: null,
      Labels: null,
      ExposedPorts: { '80/tcp': {} },
      Healthcheck: null,
      Unknown: 1,
    },
    rootfs: { type: 'layers', diff_ids: null },
    history: [{ created_by: 'x', empty_layer: true, author: null }],
    moby: {},
  }
  const config = decodeConfig(Buffer.from(JSON.stringify(good)), 'x')
  assert.deepEqual(config.config, { ExposedPorts: { '80/tcp': {} } })
  assert.deepEqual(config.rootfs.diff_ids, [])
  for (const [change, message] of [
    [{ architecture: 7 }, /architecture/],
    [
      { rootfs: { type: 'layers', diff_ids: ['sha256:../../x'] } },
      /rootfs\.diff_ids\.0: not a sha256 digest/,
    ],
    [{ created: 'yesterday' }, /created: not a time/],
    [{ config: { Env: 'A=b' } }, /config\.Env/],
  ] as const)
    assert.throws(() => decodeConfig(Buffer.from(JSON.stringify({ ...good, ...change })), 'x'), {
      kind: 'invalid',
      message,
    })
  assert.throws(() => decodeConfig(Buffer.from('{'), 'x'), {
    kind: 'invalid',
    message: 'the config of x is not JSON',
  })
})
