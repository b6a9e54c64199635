/** Files from elsewhere: URLs, git repositories, named contexts. Needs what build.root.test.ts needs, and git. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { after, before, test } from 'node:test'
import type { Image } from '../image/index.ts'
import type { BuildEvent } from '../wire/build.ts'
import { secretsOf, type BuildRequest, type SshSource } from './index.ts'
import { commit, git, serveGit, type GitServer } from './source/git-server.ts'
import { op, openMachine, type Machine } from './test-machine.ts'

const root = mkdtempSync('/tmp/gs-')
const instance = root.slice(-4).replace(/\W/g, 'x').toLowerCase()
let m: Machine
let repositories: GitServer

before(async () => {
  m = await openMachine({ root, instance })
  repositories = await serveGit(join(root, 'git'))
  const base = join(root, 'base')
  mkdirSync(join(base, 'bin'), { recursive: true })
  copyFileSync('/bin/busybox', join(base, 'bin/sh'))
  await m.images.import(op(), tarOf(base), { ref: 'busybox:latest', config: { Env: ['PATH=/bin'] } })
})

after(async () => {
  await repositories.close()
  await m.close()
  const left = readFileSync('/proc/self/mountinfo', 'utf8')
  rmSync(root, { recursive: true, force: true })
  assert.ok(!left.includes(root))
})

const tarOf = (dir: string) =>
  Readable.from([
    execFileSync('tar', ['-C', dir, '--owner=0', '--group=0', '-c', '.'], { maxBuffer: 1 << 28 }),
  ])

let contexts = 0
function context(files: Record<string, string>): string {
  const dir = join(root, `ctx${contexts++}`)
  mkdirSync(dir)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(dir, path, '..'), { recursive: true })
    writeFileSync(join(dir, path), content)
  }
  return dir
}

async function build(text: string, o: Partial<BuildRequest> = {}, signal?: AbortSignal) {
  const events: BuildEvent[] = []
  try {
    const { imageId } = await m.builder.build(
      op(signal),
      {
        context: { kind: 'directory', path: context({ Dockerfile: text }) },
        dockerfile: 'Dockerfile',
        tags: [],
        buildArgs: {},
        noCache: false,
        labels: {},
        ...o,
      },
      (event) => events.push(event),
    )
    const log = events.flatMap((e) => (e.type === 'log' ? e.data : [])).join('')
    return { image: m.images.find(imageId), log, ran: ranOf(events) }
  } finally {
    assert.deepEqual(readdirSync(join(root, 'build/spool')), [])
    assert.deepEqual(readdirSync(join(root, 'r')), [])
  }
}

function ranOf(events: readonly BuildEvent[]): string[] {
  const last = new Map<string, Extract<BuildEvent, { type: 'vertex' }>>()
  for (const event of events) if (event.type === 'vertex') last.set(event.id, event)
  return [...last.values()]
    .filter((v) => !v.cached && !/internal|exporting|FROM/.test(v.name))
    .map((v) => v.name)
}

/** `path mode content` of the files in an image's last layer. */
function files(image: Image): Record<string, string> {
  const top = image.layers.at(-1)
  assert.ok(top)
  const dir = m.snapshots.layerPath(top)
  const found: Record<string, string> = {}
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile()) continue
    const { mode, uid } = statSync(path)
    assert.equal(uid, 0)
    found[path.slice(dir.length)] = `${(mode & 0o777).toString(8)} ${readFileSync(path, 'utf8')}`
  }
  return found
}

async function web(
  t: { after(work: () => Promise<void>): void },
  handler: (request: http.IncomingMessage, response: http.ServerResponse) => void,
): Promise<string> {
  const server = http.createServer(handler)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('ADD of an URL: name, mode, time, redirects, checksum; asked again, sent once', async (t) => {
  let sent = 0
  let content = 'one'
  const url = await web(t, (request, response) => {
    const etag = `"${content}"`
    if (request.url === '/old') return response.writeHead(302, { location: '/dir/f.txt?x=1' }).end()
    if (request.url?.startsWith('/loop')) return response.writeHead(302, { location: '/loop' }).end()
    if (!request.url?.startsWith('/dir/')) return response.writeHead(404).end()
    if (request.headers['if-none-match'] === etag) return response.writeHead(304).end()
    sent++
    return response.writeHead(200, { etag, 'last-modified': 'Sun, 01 Jan 2017 00:00:00 GMT' }).end(content)
  })
  const text = `FROM busybox\nADD ${url}/dir/f.txt ${url}/old /in/\n`
  const first = await build(text)
  assert.deepEqual(files(first.image), { '/in/f.txt': '600 one', '/in/old': '600 one' })
  assert.equal(sent, 2)
  assert.equal(
    first.image.config.history?.at(-1)?.created_by,
    `ADD ${url}/dir/f.txt ${url}/old /in/ # buildkit`,
  )
  const layer = m.snapshots.layerPath(first.image.layers.at(-1) ?? 'sha256:')
  assert.equal(statSync(join(layer, 'in/f.txt')).mtime.toISOString(), '2017-01-01T00:00:00.000Z')
  const kept = (await m.builder.cache.items(op())).filter((item) => item.type === 'source.http')
  assert.deepEqual(kept.map((item) => item.description).toSorted(), [`${url}/dir/f.txt`, `${url}/old`])
  const again = await build(text)
  assert.deepEqual([again.ran, sent, again.image.id], [[], 2, first.image.id])
  content = 'two'
  assert.deepEqual(files((await build(text)).image), { '/in/f.txt': '600 two', '/in/old': '600 two' })

  const sum = (algorithm: string, data: string) =>
    `${algorithm}:${createHash(algorithm).update(data).digest('hex')}`
  const checked = (digest: string) =>
    `FROM scratch\nADD --chmod=644 --checksum=${digest} ${url}/dir/f.txt /f\n`
  const before = sent
  assert.deepEqual(files((await build(checked(sum('sha512', 'two')))).image), { '/f': '644 two' })
  assert.equal(sent, before + 1)
  // What is known by its checksum is not asked for.
  await build(checked(sum('sha512', 'two')))
  assert.equal(sent, before + 1)
  await assert.rejects(
    build(checked(sum('sha256', 'other'))),
    /digest mismatch sha256:[0-9a-f]+: sha256:[0-9a-f]+$/,
  )
  await assert.rejects(
    build(`FROM scratch\nADD ${url}/no /f`),
    /failed to fetch .*\/no: invalid response status 404/,
  )
  await assert.rejects(build(`FROM scratch\nADD ${url}/loop /f`), /stopped after 10 redirects/)
  await assert.rejects(build('FROM scratch\nADD http://127.0.0.1:1/x /f'), /failed to fetch .*ECONNREFUSED/)
})

test('a build that waits for a server ends at once when it is cancelled', async (t) => {
  const url = await web(t, () => {})
  for (const source of [`${url}/f`, `${url}/r.git`]) {
    const signal = AbortSignal.timeout(300)
    const started = performance.now()
    await assert.rejects(build(`FROM scratch\nADD ${source} /\n`, {}, signal))
    assert.ok(performance.now() - started < 5000)
  }
})

test('ADD --unpack: archives of URLs are unpacked when it says so, those of the context unless it says not', async (t) => {
  const archive = execFileSync('tar', ['-C', context({ 'a/b': 'x' }), '-cz', 'a'])
  const url = await web(t, (_request, response) => response.end(archive))
  const dir = context({})
  writeFileSync(join(dir, 'l.tgz'), archive)
  const get = async (line: string) => {
    writeFileSync(join(dir, 'Dockerfile'), `FROM scratch\nADD ${line}\n`)
    const { image } = await build('', { context: { kind: 'directory', path: dir } })
    return Object.keys(files(image))
  }
  assert.deepEqual(await get(`${url}/l.tgz /`), ['/l.tgz'])
  assert.deepEqual(await get(`--unpack ${url}/l.tgz /`), ['/a/b'])
  assert.deepEqual(await get('l.tgz /'), ['/a/b'])
  assert.deepEqual(await get('--unpack=false l.tgz /'), ['/l.tgz'])
})

test('ADD of a repository: refs, subdirectories, submodules, its .git; found again by its commit', async () => {
  const sub = join(root, 'git/sub.git')
  commit(sub, { 's.txt': 'sub' })
  const dir = join(root, 'git/r.git')
  const old = commit(dir, { 'a.txt': 'v1', 'd/x': 'x1', 'hooks/post-checkout': '#!/bin/sh\ntouch /pwned' })
  git(dir, 'tag', '-a', 'v1', '-m', 'v1')
  git(dir, 'submodule', 'add', '-q', '../sub.git', 'm')
  git(dir, 'config', '-f', '.gitmodules', 'submodule.m.url', '../sub.git')
  git(dir, 'branch', '-q', 'side', old)
  const head = commit(dir, { 'a.txt': 'v2', 'e/y': 'y' })
  const url = `${repositories.url}/r.git`
  const get = async (line: string) => {
    const { image, ran, log } = await build(`FROM scratch\nADD ${line}\n`)
    return { files: files(image), ran, log }
  }
  const all = await get(`${url} /src`)
  assert.deepEqual(
    Object.keys(all.files).toSorted(),
    ['.gitmodules', 'a.txt', 'd/x', 'e/y', 'hooks/post-checkout', 'm/s.txt'].map((name) => `/src/${name}`),
  )
  assert.equal(all.files['/src/a.txt'], '644 v2')
  assert.match(all.log, new RegExp(`^${head}\trefs/heads/main$`, 'm'))
  const before = repositories.asked.length
  assert.deepEqual((await get(`${url} /src`)).ran, [])
  // References are asked for, objects are not.
  assert.ok(repositories.asked.slice(before).every((path) => !path.includes('sub.git')))
  assert.deepEqual((await get(`${url}#v1 /`)).files['/a.txt'], '644 v1')
  assert.deepEqual((await get(`${url}#refs/heads/side:d /`)).files, { '/x': '644 x1' })
  assert.deepEqual((await get(`--checksum=${old.slice(0, 12)} ${url}?branch=side&subdir=d /`)).files, {
    '/x': '644 x1',
  })
  assert.deepEqual((await get(`${url}#${old} /o/`)).files['/o/a.txt'], '644 v1')
  const kept = await get(`--keep-git-dir=true --link ${url}#side /k`)
  assert.match(kept.files['/k/.git/config'] ?? '', new RegExp(`url = ${url}$`, 'm'))
  assert.match(kept.files['/k/.git/HEAD'] ?? '', /ref: refs\/heads\/side/)
  assert.ok(!existsSync('/pwned'))

  const fails = (line: string, message: RegExp) => assert.rejects(get(line), message)
  await fails(`${url}#nope /`, /failed to load .*r\.git: repository does not contain ref nope/)
  await fails(`--checksum=1234567 ${url} /`, /expected checksum to match 1234567, got [0-9a-f]{40}/)
  await fails(`${url}#main:nowhere /`, /invalid subdir "nowhere"/)
  await fails(`${repositories.url}/none.git /`, /failed to load http:.*none\.git: .*not found/)
})

test('git credentials come from secrets or the URL, and are written nowhere', async () => {
  const dir = join(root, 'git/private.git')
  commit(dir, { f: 'private' })
  const url = `${repositories.url}/private.git`
  repositories.authorization = `Basic ${Buffer.from('x-access-token:tok3n').toString('base64')}`
  try {
    const secrets = secretsOf(new Map([['GIT_AUTH_TOKEN', Buffer.from('tok3n\n')]]))
    const { image } = await build(`FROM scratch\nADD --keep-git-dir=true ${url} /\n`, { secrets })
    assert.equal(files(image)['/f'], '644 private')
    assert.ok(!/tok3n|dG9rM24/.test(JSON.stringify(files(image))))
    await assert.rejects(
      build(`FROM scratch\nADD ${url}#v0 /\n`),
      /could not read Username|Authentication failed/,
    )
    repositories.authorization = `Basic ${Buffer.from('u:passw0rd').toString('base64')}`
    const withUser = url.replace('//', '//u:passw0rd@')
    await assert.rejects(build(`FROM scratch\nADD ${withUser}#nope /\n`), (error: Error) => {
      assert.match(error.message, /u:xxxxx@.* repository does not contain ref nope/)
      return true
    })
    const kept = await build(`FROM scratch\nADD --keep-git-dir=true ${withUser} /\n`)
    assert.ok(!JSON.stringify(files(kept.image)).includes('passw0rd'))
  } finally {
    delete repositories.authorization
  }
})

test('contexts from elsewhere: a repository, an archive, a Dockerfile, nothing', async (t) => {
  const dir = join(root, 'git/ctx.git')
  commit(dir, { 'sub/Dockerfile': 'FROM scratch\nCOPY . /c/\n', 'sub/f': 'f', 'sub/.dockerignore': 'f\n' })
  const remote = (url: string, o: Partial<BuildRequest> = {}) =>
    build('', { context: { kind: 'remote', url }, ...o })
  const repository = await remote(`${repositories.url}/ctx.git#main:sub`)
  assert.deepEqual(Object.keys(files(repository.image)), ['/c/.dockerignore', '/c/Dockerfile', '/c/f'])
  const archive = execFileSync('tar', ['-C', join(dir, 'sub'), '-c', '.'])
  const url = await web(t, (request, response) =>
    response.end(request.url === '/t' ? archive : 'FROM scratch\nLABEL from=url\n'),
  )
  assert.deepEqual((await remote(`${url}/t`)).image.layers, repository.image.layers)
  assert.equal((await remote(`${url}/Dockerfile`)).image.config.config?.Labels?.['from'], 'url')
  const text = 'FROM busybox\nRUN echo x > /x\n'
  const empty = await build('', { context: { kind: 'empty' }, dockerfileText: text })
  assert.deepEqual(files(empty.image), { '/x': '644 x\n' })
  await assert.rejects(remote(`${repositories.url}/ctx.git#main:none`), /invalid subdir "none"/)
  await assert.rejects(remote('nothing://x'), /is no URL of a context/)
})

test('an archive is taken as it is, but for a Dockerfile and an ignore file that are ignored', async () => {
  const dir = context({
    Dockerfile: 'FROM scratch\nCOPY . /\n',
    f: 'f',
    g: 'g',
    '.dockerignore': '*ocker*\ng\n',
  })
  const { image } = await build('', { context: { kind: 'tar', stream: tarOf(dir) } })
  assert.deepEqual(Object.keys(files(image)).toSorted(), ['/f', '/g'])
})

test('named contexts stand in for images and stages', async (t) => {
  const files1 = context({ 'x/a': 'a', 'x/b': 'b', '.dockerignore': 'x/b\n' })
  commit(join(root, 'git/named.git'), { g: 'git' })
  const archive = execFileSync('tar', ['-C', context({ w: 'web' }), '-c', '.'])
  const url = await web(t, (_request, response) => response.end(archive))
  const stream = tarOf(context({ t: 'tar' }))
  const o: Partial<BuildRequest> = {
    contexts: {
      dir: { kind: 'directory', path: files1 },
      Tree: { kind: 'tar', stream },
      repo: { kind: 'remote', url: `${repositories.url}/named.git` },
      site: { kind: 'remote', url: `${url}/x.tar` },
      'docker.io/library/golang': { kind: 'image', reference: 'busybox' },
      stage: { kind: 'image', reference: 'busybox' },
    },
  }
  const copy = await build(
    `FROM scratch
COPY --from=dir . /dir
COPY --from=tree t /
COPY --from=repo . /
COPY --from=site / /
`,
    o,
  )
  assert.deepEqual(files(copy.image), { '/w': '644 web' })
  assert.equal(copy.image.layers.length, 4)
  assert.deepEqual(Object.keys(files({ ...copy.image, layers: copy.image.layers.slice(0, 1) })).toSorted(), [
    '/dir/.dockerignore',
    '/dir/x/a',
  ])
  const o2: Partial<BuildRequest> = { contexts: { ...o.contexts, Tree: { kind: 'empty' } } }
  const based = await build('FROM golang:latest AS b\nRUN echo 1 > /1\nFROM dir\nCOPY --from=b /1 /1\n', o2)
  assert.deepEqual(files(based.image), { '/1': '644 1\n' })
  assert.equal(based.image.layers.length, 2)
  // The stage of that name is not built at all.
  const stage = await build(
    'FROM nowhere AS stage\nRUN false\nFROM stage\nRUN --mount=from=dir,target=/m cat /m/x/a\n',
    o2,
  )
  assert.match(stage.log, /^a/m)
})

test('RUN --mount=type=ssh: a socket for the step alone', async () => {
  const ssh: SshSource = {
    has: (id) => id === 'default',
    connect: () => Promise.reject(new Error('nobody asks')),
  }
  const mount = '--mount=type=ssh'
  const text = `FROM busybox
RUN ${mount} ["sh", "-c", "ls -ln $SSH_AUTH_SOCK"]
RUN ${mount},id=other test ! -e /run/buildkit
`
  const { log, image } = await build(text, { ssh })
  assert.match(log, /^srw------- .* 0 .* 0 .*ssh_agent.0$/m)
  assert.deepEqual(image.layers.map((layer) => readdirSync(m.snapshots.layerPath(layer))).slice(1), [[], []])
  // Who forwards an agent is no part of the key.
  assert.deepEqual((await build(text)).ran, [])
  const required = `FROM busybox\nRUN ${mount},id=other,required true\n`
  await assert.rejects(build(required, { ssh }), /unset ssh forward key other/)
})

test('images for other platforms are built without RUN', async () => {
  const foreign = process.arch === 'x64' ? 'arm64' : 'amd64'
  const base = tarOf(context({ own: 'x' }))
  const platform = { os: 'linux', architecture: foreign }
  await m.images.import(op(), base, { ref: 'foreign:latest', config: {}, platform })
  const text =
    'FROM --platform=$BUILDPLATFORM busybox AS b\nARG TARGETARCH\nRUN echo -n $TARGETARCH > /a\nFROM foreign\nCOPY --from=b /a /a\nWORKDIR /w\n'
  const { image } = await build(text, { platform: `linux/${foreign}` })
  assert.equal(image.config.architecture, foreign)
  assert.deepEqual(files({ ...image, layers: image.layers.slice(0, 2) }), { '/a': `644 ${foreign}` })
  const scratch = await build('FROM scratch\nLABEL a=b\n', { platform: 'linux/arm/v6' })
  assert.deepEqual([scratch.image.config.architecture, scratch.image.config.variant], ['arm', 'v6'])
  await assert.rejects(
    build('FROM busybox\n', { platform: `linux/${foreign}` }),
    /does not match the specified platform/,
  )
  await assert.rejects(build('FROM scratch\n', { platform: 'windows/amd64' }), { kind: 'unsupported' })
})

test('a named context in OCI layout: one of its images, gone from the store afterwards', async () => {
  const layout = join(root, 'layout')
  mkdirSync(layout)
  await m.images.tag(op(), 'busybox', 'x/y:v1')
  const saved = m.images.save(op(), ['x/y:v1'])
  await m.images.remove(op(), 'x/y:v1', { force: false, noPrune: true, usedBy: () => undefined })
  await pipeline(saved, createWriteStream(join(root, 'saved.tar')))
  execFileSync('tar', ['-C', layout, '-xf', join(root, 'saved.tar')])
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[]
  }
  // Another config, so that it is not the image that is here.
  const blob = (digest: string) => join(layout, 'blobs/sha256', digest.slice(7))
  const manifest = JSON.parse(readFileSync(blob(index.manifests[0]?.digest ?? ''), 'utf8')) as {
    config: { digest: string; size: number }
  }
  const config = JSON.parse(readFileSync(blob(manifest.config.digest), 'utf8')) as {
    config: { Labels?: object }
  }
  config.config.Labels = { from: 'layout' }
  const put = (value: object) => {
    const text = JSON.stringify(value)
    const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`
    writeFileSync(blob(digest), text)
    return { digest, size: text.length }
  }
  Object.assign(manifest.config, put(config))
  Object.assign(index.manifests[0] ?? {}, put(manifest))
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index))

  const before = m.images.list().map((image) => image.id)
  const contexts = (o: object): Partial<BuildRequest> => ({
    contexts: { base: { kind: 'oci-layout', path: layout, ...o } },
  })
  const { image } = await build('FROM base\nRUN echo 1 > /1\n', contexts({ tag: 'v1' }))
  assert.equal(image.config.config?.Labels?.['from'], 'layout')
  assert.deepEqual(
    m.images.list().flatMap(({ id }) => (before.includes(id) ? [] : id)),
    [image.id],
  )
  assert.equal((await build('FROM base\nRUN echo 1 > /1\n', contexts({}))).image.id, image.id)
  await assert.rejects(build('FROM base\n', contexts({ tag: 'v2' })), /OCI layout .* has no image v2/)
  rmSync(blob(manifest.config.digest))
  await assert.rejects(build('FROM base\nRUN echo 2\n', contexts({})), /not there|ENOENT|no such file/)
})
