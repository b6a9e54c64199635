/** The same image from the same files, whenever and wherever it is built; and from the cache as without it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setXattr } from '../../host/xattr.ts'
import type { BuildEvent } from '../../wire/build.ts'
import { noLimits, type BuildRequest } from '../index.ts'
import { op, openMachine, type Machine } from '../test-machine.ts'

const root = mkdtempSync('/tmp/gr-')
const instance = root.slice(-4).replace(/\W/g, 'x').toLowerCase()
let m: Machine

before(async () => {
  m = await openMachine({ root, instance })
  const bin = join(root, 'base/bin')
  mkdirSync(bin, { recursive: true })
  copyFileSync('/bin/busybox', join(bin, 'busybox'))
  for (const name of [
    'sh',
    'cat',
    'ls',
    'echo',
    'head',
    'mkdir',
    'rm',
    'find',
    'touch',
    'sort',
    'date',
    'ln',
  ])
    symlinkSync('busybox', join(bin, name))
  const tar = execFileSync('tar', ['-C', join(root, 'base'), '--owner=0', '--group=0', '-c', '.'], {
    maxBuffer: 1 << 28,
  })
  await m.images.import(op(), Readable.from([tar]), {
    ref: 'busybox:latest',
    config: { Cmd: ['sh'], Env: ['PATH=/bin'] },
  })
})

after(async () => {
  await m.close()
  rmSync(root, { recursive: true, force: true })
})

let contexts = 0
/** A checkout of these files, made at some time of the past. */
function checkout(files: Readonly<Record<string, string>>, at = 1_500_000_000 + contexts * 86_400): string {
  const dir = join(root, `ctx${contexts++}`)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(dir, path, '..'), { recursive: true })
    writeFileSync(join(dir, path), content)
    utimesSync(join(dir, path), at, at)
  }
  return dir
}

async function build(dir: string, o: Partial<BuildRequest> = {}) {
  const events: BuildEvent[] = []
  const request = { dockerfile: 'Dockerfile', tags: [], buildArgs: {}, noCache: false, labels: {}, ...o }
  const { imageId } = await m.builder.build(
    op(),
    { context: { kind: 'directory', path: dir }, ...request },
    (e) => events.push(e),
  )
  const ran = new Set(
    events.flatMap((e) => (e.type === 'vertex' && e.step && e.completed && !e.cached ? [e.step.text] : [])),
  )
  return { image: m.images.find(imageId), events, ran: [...ran] }
}

const forget = () =>
  m.builder.cache.prune(op(), { all: true, filter: () => true, unusedForMs: 0, limits: noLimits })

const dockerfile = `FROM busybox AS one
WORKDIR /w
RUN echo made > made && mkdir d && touch d/x
FROM busybox
COPY . /src/
COPY --from=one /w /w
RUN ls -l /src > /dev/null; echo end > /end
LABEL a=b
`

test('reproducible: equal images from other checkouts at other times, with no trace of the clock', async () => {
  const files = { Dockerfile: dockerfile, 'a.txt': 'a', 'dir/b.txt': 'b' }
  const o = { reproducible: true }
  const first = await build(checkout(files), o)
  await forget()
  const second = await build(checkout(files, 100), o)
  assert.ok(second.ran.length >= 4)
  assert.equal(second.image.id, first.image.id)
  const { created, history } = first.image.config
  assert.equal(created, '1980-01-01T00:00:00.000Z')
  const own = (history ?? []).slice(1)
  assert.deepEqual([...new Set(own.map((row) => row.created))], [created])
  await forget()
  const plain = await build(checkout(files))
  assert.notEqual(plain.image.id, first.image.id)
  // Layers with the times of one build are no result for the other.
  assert.ok((await build(checkout(files), o)).ran.length >= 4)
})

test('SOURCE_DATE_EPOCH: later times become it, earlier ones stay', async () => {
  const epoch = 1_600_000_000
  const dir = checkout(
    { Dockerfile: 'FROM scratch\nCOPY old /old\nCOPY new /new\n', old: 'o', new: 'n' },
    epoch - 10,
  )
  utimesSync(join(dir, 'new'), epoch + 10, epoch + 10)
  const { image } = await build(dir, { buildArgs: { SOURCE_DATE_EPOCH: String(epoch) } })
  assert.equal(image.config.created, new Date(epoch * 1000).toISOString())
  const times = image.layers.map((layer) =>
    Number(
      execFileSync('find', [m.snapshots.layerPath(layer), '-type', 'f', '-printf', '%T@'], {
        encoding: 'utf8',
      }),
    ),
  )
  assert.deepEqual(times, [epoch - 10, epoch])
  await assert.rejects(build(dir, { buildArgs: { SOURCE_DATE_EPOCH: 'today' } }), {
    kind: 'invalid',
    message: /SOURCE_DATE_EPOCH: "today"/,
  })
})

test('verify: names the first step and file that differ, and keeps nothing of it', async () => {
  const o = { reproducible: true, verify: true }
  const good = await build(checkout({ Dockerfile: dockerfile, f: 'x' }), o)
  assert.ok(good.events.some((e) => e.type === 'vertex' && e.name.startsWith('again: ')))
  const text =
    'FROM busybox\nRUN echo same > /same\nRUN mkdir /d && head -c 8 /dev/urandom > /d/noise\nRUN echo > /z\n'
  const before = m.snapshots.layers().length
  await assert.rejects(build(checkout({ Dockerfile: text }), { ...o, tags: ['bad'] }), {
    kind: 'conflict',
    message: /a second build of \[3\/4\] RUN mkdir .* gave another \/d\/noise: content \(8 bytes, sha256/,
  })
  assert.throws(() => m.images.find('bad'), { kind: 'not-found' })
  // What the first build made is in the cache; the second one's has gone.
  assert.equal(m.snapshots.layers().length, before + 3)
})

test('no-cache-filter runs all of a stage, and what stands on it only if it came out otherwise', async () => {
  const text = `FROM busybox AS One
RUN echo 1 > /a
FROM busybox AS two
RUN echo 2 > /b
COPY --from=one /a /a
`
  const dir = checkout({ Dockerfile: text })
  await build(dir, { reproducible: true })
  const { ran } = await build(dir, { reproducible: true, noCacheFilter: ['ONE'] })
  assert.deepEqual(
    ran.filter((step) => step.startsWith('RUN')),
    ['RUN echo 1 > /a'],
  )
  assert.ok(
    (await build(dir, { reproducible: true, noCacheFilter: ['two'] })).ran.includes('RUN echo 2 > /b'),
  )
})

test('whatever was edited, the image from the cache is the one of a cold build', async () => {
  let seed = 20_301
  const random = (n: number) => (seed = (seed * 48_271) % 2_147_483_647) % n
  const names = ['a', 'b', 'd/a', 'd/e/c', 'x.log', 'lib/y.sh']
  const files: Record<string, string> = { a: '1', 'd/a': '2', '.dockerignore': '*.log\n' }
  const steps = [
    'COPY . /all/',
    'COPY a d* /some/',
    'COPY --chmod=600 a /mode/a',
    'RUN cat /all/a /some/a > /both 2>/dev/null; find /all | sort > /list',
    'COPY --parents d/./e* /below/',
    'WORKDIR /made/here',
    'RUN mkdir -p /real && ln -s /real /link',
    'COPY . /link/',
    'RUN rm -rf /all/d; echo $PWD > where',
  ]
  const dir = join(root, 'edited')
  mkdirSync(dir)
  for (let round = 0; round < 6; round++) {
    const name = names[random(names.length)] ?? ''
    const edit = random(4)
    if (edit === 0 && name !== 'a') delete files[name]
    else files[name] = `${random(3)}`
    if (edit === 1) steps.push(steps.splice(random(steps.length), 1)[0] ?? '')
    if (edit === 2) files['.dockerignore'] = ['*.log\n', 'd/e\n!d/e/c\n', 'b\n'][random(3)] ?? ''
    files['d/a'] ??= 'kept'
    files['d/e/c'] ??= 'kept'
    rmSync(dir, { recursive: true })
    files['Dockerfile'] = `FROM busybox\n${steps.join('\n')}\n`
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(dir, path, '..'), { recursive: true })
      writeFileSync(join(dir, path), content)
      if (path !== 'Dockerfile') chmodSync(join(dir, path), content === '1' ? 0o755 : 0o644)
    }
    for (const name of ['d/linked', 'd/e/linked'])
      if (random(2) === 1) linkSync(join(dir, 'd/a'), join(dir, name))
    const cached = await build(dir, { reproducible: true })
    const cold = await build(dir, { reproducible: true, noCache: true })
    assert.equal(cached.image.id, cold.image.id, `round ${round}: ${JSON.stringify(files)}`)
  }
})

test('files that an earlier COPY of the same kind gave are linked, unless anything about them differs', async () => {
  const names = ['same', 'd/same', 'dé/ü same', 'content', 'mode', 'time', 'attribute', 'd/new']
  const at = 1_400_000_000
  const files = Object.fromEntries(names.slice(0, -1).map((name) => [name, `${name}\n`]))
  const dir = checkout({ ...files, '.dockerignore': 'skipped\n', skipped: '', Dockerfile: '' }, at)
  const dockerfile = (n: number) =>
    writeFileSync(
      join(dir, 'Dockerfile'),
      `FROM busybox\nRUN mkdir -p /app/d && echo ${n} > /app/n\nCOPY . /app\n`,
    )
  const o = { buildArgs: { SOURCE_DATE_EPOCH: String(at + 100) } }
  dockerfile(1)
  const first = await build(dir, o)
  writeFileSync(join(dir, 'content'), 'CONTENT\n')
  utimesSync(join(dir, 'content'), at, at)
  chmodSync(join(dir, 'mode'), 0o600)
  utimesSync(join(dir, 'time'), at + 1, at + 1)
  setXattr(join(dir, 'attribute'), 'user.a', Buffer.from('b'))
  writeFileSync(join(dir, 'd/new'), 'new\n')
  // On another base, too.
  dockerfile(2)
  const second = await build(dir, o)
  const inode = (image: typeof first.image, name: string) =>
    statSync(join(m.snapshots.layerPath(image.layers.at(-1) ?? 'sha256:'), 'app', name)).ino
  for (const name of names.slice(0, -1))
    assert.equal(
      inode(first.image, name) === inode(second.image, name),
      name.endsWith('same'),
      `${name} linked`,
    )
  // It is the layer that a copy would be.
  assert.deepEqual(
    (await build(dir, { ...o, noCache: true })).image.layers.at(-1),
    second.image.layers.at(-1),
  )
})
