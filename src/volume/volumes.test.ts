import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { Store } from '../store/index.ts'
import { Volumes } from './volumes.ts'

const op = background(silentLogger)
const unused = { force: false }

async function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'gvol-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const store = Store.open(':memory:')
  const events: string[] = []
  const root = join(folder, 'v')
  const opened: Volumes[] = []
  const again = async () => {
    const made = await Volumes.open(op, { root, store, emit: (e) => events.push(`${e.action} ${e.id}`) })
    opened.push(made)
    return made
  }
  t.after(() => {
    for (const one of opened) one.close()
  })
  return { root, events, again, volumes: await again() }
}

test('create() makes a directory once; without a name the volume is anonymous', async (t) => {
  const { volumes, events } = await open(t)
  const db = await volumes.create(op, { name: 'db', labels: { a: '1' } })
  assert.ok(existsSync(db.mountpoint))
  assert.deepEqual(await volumes.create(op, { name: 'db', labels: { b: '2' } }), db)
  const anonymous = await volumes.create(op, {})
  assert.match(anonymous.name, /^[0-9a-f]{64}$/)
  assert.equal(anonymous.anonymous, true)
  assert.deepEqual(events, ['create db', `create ${anonymous.name}`])
  assert.equal(volumes.list().length, 2)
})

test('names, drivers and options that cannot be are refused with one clear sentence', async (t) => {
  const { volumes } = await open(t)
  for (const name of ['../x', '.x', 'a b', 'a/b', '-x'])
    await assert.rejects(volumes.create(op, { name }), { kind: 'invalid', message: /invalid characters/ })
  await assert.rejects(volumes.create(op, { name: 'a' }), /too short/)
  await assert.rejects(volumes.create(op, { name: 'db', driver: 'nfs' }), {
    kind: 'unsupported',
    message: /"nfs"/,
  })
  for (const [options, message] of [
    [{ type: 'tmpfs' }, 'create db: missing required option: "device"'],
    [{ device: '/x' }, 'create db: missing required option: "type"'],
    [{ o: 'ro' }, 'create db: missing required option: "device"'],
    [{ colour: 'red' }, 'create db: invalid option: "colour"'],
    [{ size: '1g' }, 'create db: quota size requested but no quota support'],
  ] as const)
    await assert.rejects(volumes.create(op, { name: 'db', options }), { kind: 'invalid', message })
  assert.throws(() => volumes.find('db'), { kind: 'not-found', message: 'get db: no such volume' })
})

test('remove() refuses what is in use, and deletes the content of the rest', async (t) => {
  const { root, volumes } = await open(t)
  const { mountpoint } = await volumes.create(op, { name: 'db' })
  writeFileSync(join(mountpoint, 'file'), 'x')
  let users = ['c1', 'c2']
  volumes.askUsers(() => users)
  await assert.rejects(volumes.remove(op, 'db', { force: true }), {
    kind: 'conflict',
    message: 'remove db: volume is in use - [c1, c2]',
  })
  users = []
  {
    using _claim = volumes.claim('db')
    await assert.rejects(volumes.remove(op, 'db', unused), /a container that is being created/)
  }
  await volumes.remove(op, 'db', unused)
  assert.deepEqual(readdirSync(root), [])
  await assert.rejects(volumes.remove(op, 'db', unused), { kind: 'not-found' })
  await volumes.remove(op, 'db', { ...unused, force: true })
})

test('after a kill: half-removed volumes go, half-made ones go, content without a record stays', async (t) => {
  const { root, volumes, again } = await open(t)
  for (const name of ['removed', 'kept']) await volumes.create(op, { name })
  writeFileSync(join(root, 'removed/_data/file'), 'x')
  renameSync(join(root, 'removed'), join(root, '.removing-0123456789ab-removed'))
  mkdirSync(join(root, 'half/_data'), { recursive: true })
  mkdirSync(join(root, 'lost/_data/sub'), { recursive: true })
  const reopened = await again()
  assert.deepEqual(
    reopened.list().map((v) => v.name),
    ['kept', 'lost'],
  )
  assert.deepEqual(readdirSync(root), ['kept', 'lost'])
})
