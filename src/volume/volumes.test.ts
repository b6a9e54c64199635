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
  return { root, store, events, again, volumes: await again() }
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
    kind: 'not-found',
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

test('discard() and restore() move the directory and lose nothing; names and times decide', async (t) => {
  const { root, events, volumes } = await open(t)
  const db = await volumes.create(op, { name: 'db', labels: { a: '1' } })
  writeFileSync(join(db.mountpoint, 'file'), 'x')
  await assert.rejects(volumes.discard(op, 'db', { keep: 1000, createdAt: 'another time' }), {
    kind: 'conflict',
    message: 'remove db: it is another volume by now',
  })
  const { id } = await volumes.discard(op, 'db', { keep: 60_000, createdAt: db.createdAt })
  assert.throws(() => volumes.find('db'), { kind: 'not-found' })
  assert.deepEqual(readdirSync(root), [`.trash-${id}`])
  await volumes.create(op, { name: 'db' })
  await assert.rejects(volumes.restore(op, 'db'), { kind: 'conflict' })
  assert.deepEqual(await volumes.restore(op, id, { as: 'old' }), {
    ...db,
    name: 'old',
    mountpoint: join(root, 'old/_data'),
  })
  assert.ok(existsSync(join(root, 'old/_data/file')))
  assert.deepEqual(volumes.trash(), [])
  assert.deepEqual(events, ['create db', 'destroy db', 'create db', 'create old'])
})

test('after a kill: a discard or a restore that was cut short ends in the trash, overdue trash goes', async (t) => {
  const { root, store, volumes, again } = await open(t)
  for (const name of ['one', 'two', 'over']) {
    const { mountpoint } = await volumes.create(op, { name })
    writeFileSync(join(mountpoint, 'file'), name)
  }
  const record = store.table('volumes', (value) => value as Record<string, unknown>)
  const trash = { since: new Date().toISOString(), until: new Date(Date.now() + 60_000).toISOString() }
  // Discard: the record of the trash is written, the folder not yet moved.
  record.put('.trash-00000000000a', { ...record.get('one'), trash })
  // Restore: the folder is back, the record not yet changed.
  record.put('.trash-00000000000b', { ...record.get('two'), trash })
  record.delete('two')
  await volumes.discard(op, 'over', { keep: 0 })
  volumes.close()
  const reopened = await again()
  assert.deepEqual(reopened.list(), [])
  assert.deepEqual(
    reopened
      .trash()
      .map((trashed) => trashed.name)
      .toSorted(),
    ['one', 'two'],
  )
  for (const name of ['one', 'two'])
    assert.ok(existsSync(join((await reopened.restore(op, name)).mountpoint, 'file')))
  assert.deepEqual(readdirSync(root), ['one', 'two'])
})

test('after a kill: content that was half copied in is gone', async (t) => {
  const { store, volumes, again } = await open(t)
  const { mountpoint } = await volumes.create(op, { name: 'db' })
  writeFileSync(join(mountpoint, 'half'), 'x')
  const record = store.table('volumes', (value) => value as Record<string, unknown>)
  record.put('db', { ...record.get('db'), populating: true })
  const reopened = await again()
  let users = ['c1']
  reopened.askUsers(() => users)
  await reopened.settle(new Map())
  assert.deepEqual(readdirSync(mountpoint), ['half'])
  record.put('db', { ...record.get('db'), populating: true })
  users = []
  const once = await again()
  await once.settle(new Map())
  assert.deepEqual(readdirSync(mountpoint), [])
  assert.equal(await once.isEmpty(op, 'db'), true)
})

test('make() and fill() are all or nothing', async (t) => {
  const { root, volumes } = await open(t)
  const half = (target: string) => {
    writeFileSync(join(target, 'half'), 'x')
    return Promise.reject(new Error('broken'))
  }
  await assert.rejects(volumes.make(op, { name: 'new' }, half), /broken/)
  assert.deepEqual(readdirSync(root), [])
  const { mountpoint } = await volumes.create(op, { name: 'old' })
  await assert.rejects(volumes.fill(op, 'old', half), /broken/)
  assert.deepEqual(readdirSync(mountpoint), [])
  await assert.rejects(
    volumes.make(op, { name: 'old' }, () => Promise.resolve()),
    { kind: 'conflict' },
  )
})
