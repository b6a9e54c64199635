import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { KeptContexts } from './kept-contexts.ts'
import type { SyncEntry, TreeSync } from './tree-sync.ts'

const op = background(silentLogger)

interface Listed {
  readonly path: string
  readonly data?: string
  readonly link?: string
  readonly pipe?: true
  readonly mtime?: number
  readonly mode?: number
}

function entry({ path, data, link = '', pipe, mtime = 1_000_000_000, mode }: Listed): SyncEntry {
  const other = link !== '' ? 'symlink' : pipe ? 'pipe' : 'directory'
  const kind = data !== undefined ? 'file' : other
  const permissions = mode ?? (kind === 'directory' ? 0o755 : 0o644)
  return {
    path,
    kind,
    mode: permissions,
    size: data?.length ?? 0,
    mtime: { sec: mtime, nsec: 7 },
    link,
    xattrs: {},
  }
}

/** Lists as a client does; returns what was asked for. */
function list(tree: TreeSync, all: readonly Listed[]): string[] {
  const asked: string[] = []
  for (const each of all) {
    const listed = entry(each)
    const stamp = JSON.stringify(listed)
    const isLink = listed.kind === 'file' && listed.link !== ''
    if (!isLink && tree.keep(listed, stamp, () => listed)) continue
    if (!tree.add(listed, stamp)) continue
    asked.push(each.path)
    tree.write(each.path, Buffer.from(each.data ?? ''))
    tree.complete(each.path)
  }
  return asked
}

async function withContexts(work: (contexts: KeptContexts, root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-contexts-'))
  try {
    await work(await KeptContexts.open(root), root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

async function sync(contexts: KeptContexts, all: readonly Listed[], key = 'k') {
  await using kept = await contexts.borrow(key)
  const asked = await kept.sync(async (tree) => await Promise.resolve(list(tree, all)))
  return { asked, root: kept.root }
}

test('only what differs is asked for, and the copy is what was listed', async () => {
  await withContexts(async (contexts) => {
    const all: Listed[] = [
      { path: 'a', data: 'one' },
      { path: 'd', mode: 0o750 },
      { path: 'd/b', data: 'two', mode: 0o4755 },
      { path: 'd/l', link: '../a' },
      { path: 'hard', data: 'one', link: 'a' },
      { path: 'pipe', pipe: true, mode: 0o622 },
    ]
    const { asked, root } = await sync(contexts, all)
    assert.deepEqual(asked, ['a', 'd/b'])
    assert.equal(readFileSync(`${root}/d/b`, 'utf8'), 'two')
    assert.equal(statSync(`${root}/d/b`).mode & 0o7777, 0o4755)
    assert.equal(statSync(`${root}/d`).mtimeMs, 1_000_000_000_000)
    assert.equal(readlinkSync(`${root}/d/l`), '../a')
    assert.equal(statSync(`${root}/hard`).ino, statSync(`${root}/a`).ino)

    assert.equal(statSync(`${root}/pipe`).isFIFO(), true)
    assert.equal(statSync(`${root}/pipe`).mode & 0o7777, 0o622)

    assert.deepEqual((await sync(contexts, all)).asked, [])

    // A file becomes a directory, a directory a file; the file that a link means is another.
    const changed: Listed[] = [
      { path: 'a', data: 'ONE', mtime: 1_000_000_001 },
      { path: 'd', data: 'now a file' },
      { path: 'hard', data: 'one', link: 'a' },
      { path: 'n', mtime: 1_000_000_002 },
      { path: 'n/x', data: '' },
      { path: 'pipe', data: 'now a file' },
    ]
    assert.deepEqual((await sync(contexts, changed)).asked, ['a', 'd', 'n/x', 'pipe'])
    assert.equal(readFileSync(`${root}/d`, 'utf8'), 'now a file')
    assert.equal(readFileSync(`${root}/hard`, 'utf8'), 'ONE')
    assert.equal(statSync(`${root}/n`).mtimeMs, 1_000_000_002_000)
    assert.equal(existsSync(`${root}/d/l`), false)
  })
})

test('a transfer that breaks off leaves nothing that counts', async () => {
  await withContexts(async (contexts) => {
    const all: Listed[] = [{ path: 'a', data: 'one' }]
    await sync(contexts, all)
    await using kept = await contexts.borrow('k')
    const cut = kept.sync((tree) => {
      tree.add(entry({ path: 'a', data: 'two', mtime: 5 }), 'other')
      tree.write('a', Buffer.from('tw'))
      return Promise.reject(new Error('gone'))
    })
    await assert.rejects(cut, /gone/)
    assert.deepEqual(await kept.sync(async (tree) => await Promise.resolve(list(tree, all))), ['a'])
    assert.equal(readFileSync(`${kept.root}/a`, 'utf8'), 'one')
  })
})

test('a name is used by one build at a time; the other’s copy and nameless ones go with the build', async () => {
  await withContexts(async (contexts) => {
    const first = await contexts.borrow('k')
    const second = await contexts.borrow('k')
    const nameless = await contexts.borrow(undefined)
    assert.notEqual(first.root, second.root)
    assert.deepEqual([first.stays, second.stays, nameless.stays], [true, false, false])
    const [item] = await contexts.items()
    assert.equal(item?.inUse, true)
    assert.equal(await contexts.remove(op, item?.id ?? ''), undefined)
    for (const kept of [first, second, nameless]) await kept[Symbol.asyncDispose]()
    assert.equal(existsSync(first.root), true)
    assert.equal(existsSync(second.root), false)
    assert.equal(await contexts.remove(op, item?.id ?? ''), 0)
    assert.deepEqual(await contexts.items(), [])
  })
})

test('paths that lead out, come twice or come before their directory are refused', async () => {
  await withContexts(async (contexts) => {
    const wrong: Listed[][] = [
      [{ path: '../x', data: '' }],
      [{ path: '/x', data: '' }],
      [{ path: 'a/./x', data: '' }],
      [{ path: 'a//x', data: '' }],
      [{ path: '', data: '' }],
      [{ path: 'no/x', data: '' }],
      [
        { path: 'l', link: '/etc' },
        { path: 'l/x', data: '' },
      ],
      [
        { path: 'a', data: '' },
        { path: 'a', data: '' },
      ],
      [{ path: 'h', data: 'x', link: '../../etc/passwd' }],
    ]
    for (const all of wrong)
      await assert.rejects(sync(contexts, all), { kind: 'invalid' }, JSON.stringify(all))
  })
})
