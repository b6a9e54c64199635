/** Builds on the real kernel: overlay, runtime, network. Needs root, crun (or runc), conmon and busybox-static. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import type { Image } from '../image/index.ts'
import type { BuildEvent } from '../wire/build.ts'
import { BuildError, noLimits, secretsOf, type BuildRequest } from './index.ts'
import { op, openMachine, type Machine } from './test-machine.ts'

const root = mkdtempSync('/tmp/gb-')
const instance = root.slice(-4).replace(/\W/g, 'x').toLowerCase()

const open = () => openMachine({ root, instance })
let m: Machine

const everything = { all: true, filter: () => true, unusedForMs: 0, limits: noLimits }

before(async () => {
  m = await open()
  const base = join(root, 'base')
  mkdirSync(join(base, 'bin'), { recursive: true })
  mkdirSync(join(base, 'etc'))
  mkdirSync(join(base, 'tmp'))
  chmodSync(join(base, 'tmp'), 0o1777)
  copyFileSync('/bin/busybox', join(base, 'bin/busybox'))
  for (const name of [
    'sh',
    'cat',
    'ls',
    'echo',
    'true',
    'false',
    'sleep',
    'mkdir',
    'rm',
    'id',
    'stat',
    'ip',
    'chmod',
    'touch',
    'env',
    'tar',
    'test',
    'pwd',
    'wc',
    'find',
    'ln',
  ])
    symlinkSync('busybox', join(base, 'bin', name))
  writeFileSync(
    join(base, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n',
  )
  writeFileSync(join(base, 'etc/group'), 'root:x:0:\napp:x:1001:\n')
  const tar = Readable.from([
    execFileSync('tar', ['-C', base, '--owner=0', '--group=0', '-c', '.'], { maxBuffer: 1 << 28 }),
  ])
  await m.images.import(op(), tar, { ref: 'busybox:latest', config: { Cmd: ['sh'], Env: ['PATH=/bin'] } })
})

after(async () => {
  await m.close()
  rmSync(root, { recursive: true, force: true })
  assert.deepEqual(
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((l) => l.includes(root)),
    [],
  )
})

let contexts = 0
function context(files: Record<string, string>): string {
  const dir = join(root, `ctx${contexts++}`)
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(dir, path, '..'), { recursive: true })
    writeFileSync(join(dir, path), content)
  }
  return dir
}

interface Built {
  image: Image
  events: BuildEvent[]
  log: string
  /** Steps that came from the cache and steps that ran, without `[…] `. */
  cached: string[]
  ran: string[]
}

async function build(dir: string, o: Partial<BuildRequest> = {}, signal?: AbortSignal): Promise<Built> {
  const events: BuildEvent[] = []
  const { imageId } = await m.builder.build(
    op(signal),
    {
      context: { kind: 'directory', path: dir },
      dockerfile: 'Dockerfile',
      tags: [],
      buildArgs: {},
      noCache: false,
      labels: {},
      ...o,
    },
    (event) => events.push(event),
  )
  return { image: m.images.find(imageId), events, log: logOf(events), ...stepsOf(events) }
}

const logOf = (events: BuildEvent[]) => events.flatMap((e) => (e.type === 'log' ? e.data : [])).join('')

function stepsOf(events: BuildEvent[]): { cached: string[]; ran: string[] } {
  const last = new Map<string, Extract<BuildEvent, { type: 'vertex' }>>()
  for (const event of events) if (event.type === 'vertex') last.set(event.id, event)
  const steps = [...last.values()].filter((v) => v.step && !v.step.text.startsWith('FROM'))
  return {
    cached: steps.filter((v) => v.cached).map((v) => v.step?.text ?? ''),
    ran: steps.filter((v) => !v.cached).map((v) => v.step?.text ?? ''),
  }
}

/** Lists a layer of an image, the last one first. */
function layerFiles(image: Image, fromTop = 0): string[] {
  const layer = image.layers.at(-1 - fromTop)
  assert.ok(layer)
  const list = execFileSync('find', ['.', '-mindepth', '1'], {
    cwd: m.snapshots.layerPath(layer),
    encoding: 'utf8',
  })
  return list.split('\n').filter(Boolean).sort()
}

async function assertClean(): Promise<void> {
  // Of steps that failed is kept what people may want to look at.
  const { workspaces } = m.builder.references()
  assert.deepEqual(
    (await m.snapshots.workspaces()).filter((id) => !workspaces.has(id)),
    [],
  )
  assert.deepEqual(readdirSync(join(root, 'r')), [])
  assert.deepEqual(readdirSync(join(root, 'build/spool')), [])
  assert.deepEqual(
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((l) => l.includes(`${root}/snap`) || l.includes(`${root}/r/`)),
    [],
  )
  assert.deepEqual(existsSync(join(root, 'net/netns')) ? readdirSync(join(root, 'net/netns')) : [], [])
}

test('a multi-stage build with everything in it', async () => {
  const dir = context({
    Dockerfile: `# syntax=docker/dockerfile:1
ARG BASE=busybox
FROM \${BASE} AS builder
WORKDIR /src
COPY src/ .
ARG WHO=world
RUN echo "hello $WHO" > out && cat main >> out && \\
    chmod 750 out
FROM busybox as final
LABEL version="1.0"
ENV GREETING="good day" PORT=8080
WORKDIR /app
COPY --from=builder --chown=app:app /src/out bin/
COPY --chmod=600 conf/*.conf /etc/app/
USER app
RUN id -u > /tmp/uid; pwd; echo $GREETING; echo err >&2
EXPOSE $PORT
VOLUME /data
HEALTHCHECK --interval=30s CMD test -f /app/bin/out
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "cat /app/bin/out"]
`,
    'src/main': 'main\n',
    'conf/a.conf': 'a',
    'conf/b.conf': 'b',
    'conf/c.txt': 'c',
  })
  const {
    image,
    log: output,
    events,
    ran,
  } = await build(dir, { tags: ['app:1.0'], buildArgs: { WHO: 'you' }, labels: { extra: 'x' } })
  assert.equal(output, '/app\ngood day\nerr\n')
  assert.equal(ran.length, 7)
  assert.deepEqual(image.refs, ['docker.io/library/app:1.0'])
  assert.deepEqual(image.config.config?.Labels, { version: '1.0', extra: 'x' })
  assert.deepEqual(image.config.config?.Env, ['PATH=/bin', 'GREETING=good day', 'PORT=8080'])
  assert.equal(image.layers.length, 5)
  const history = image.config.history ?? []
  assert.equal(history.filter((row) => !row.empty_layer).length, 5)
  assert.ok(history.some((row) => row.created_by === 'COPY --chown=app:app /src/out bin/ # buildkit'))
  // WORKDIR, COPY, COPY, RUN: nothing but what the step made is in a layer, no mount points of the runtime.
  assert.deepEqual(layerFiles(image, 0), ['./tmp', './tmp/uid'])
  assert.deepEqual(layerFiles(image, 1), ['./etc', './etc/app', './etc/app/a.conf', './etc/app/b.conf'])
  assert.deepEqual(layerFiles(image, 2), ['./app', './app/bin', './app/bin/out'])
  assert.deepEqual(layerFiles(image, 3), ['./app'])
  const at = (layer: number, path: string) =>
    join(m.snapshots.layerPath(image.layers[layer] ?? 'sha256:'), path)
  assert.equal(readFileSync(at(2, 'app/bin/out'), 'utf8'), 'hello you\nmain\n')
  assert.equal(readFileSync(at(4, 'tmp/uid'), 'utf8'), '1000\n')
  const stat = (path: string) => execFileSync('stat', ['-c', '%a %u:%g', path], { encoding: 'utf8' }).trim()
  assert.equal(stat(at(2, 'app/bin/out')), '750 1000:1001')
  assert.equal(stat(at(3, 'etc/app/a.conf')), '600 0:0')
  assert.ok(events.at(-1)?.type === 'result')
  await assertClean()
})

test('the cache: content decides, not time; what changed runs again; it survives a restart', async () => {
  const dir = context({
    Dockerfile: 'FROM busybox\nCOPY a /a\nRUN echo one > /one\nCOPY b /b\nRUN cat /b > /two\n',
    a: '1',
    b: '1',
  })
  const first = await build(dir)
  assert.equal(first.ran.length, 4)
  utimesSync(join(dir, 'a'), 1, 1)
  const second = await build(dir)
  assert.deepEqual(second.ran, [])
  assert.equal(second.image.id, first.image.id)
  writeFileSync(join(dir, 'b'), '2')
  assert.deepEqual((await build(dir)).ran, ['COPY b /b', 'RUN cat /b > /two'])
  writeFileSync(join(dir, 'b'), '1')
  assert.equal((await build(dir)).image.id, first.image.id)
  chmodSync(join(dir, 'b'), 0o755)
  assert.deepEqual((await build(dir)).ran.length, 2)
  chmodSync(join(dir, 'b'), 0o644)
  await m.close()
  m = await open()
  assert.equal((await build(dir)).image.id, first.image.id)
  assert.equal((await build(dir, { noCache: true })).ran.length, 4)
  await assertClean()
})

test('ARG and ENV that a RUN sees are part of its key; proxies are not', async () => {
  const dir = context({ Dockerfile: 'FROM busybox\nARG V=1\nRUN echo $V\nARG LATE\nRUN echo late\n' })
  assert.equal((await build(dir, { buildArgs: { V: '1' } })).ran.length, 2)
  assert.equal((await build(dir, { buildArgs: { http_proxy: 'http://p' } })).ran.length, 0)
  assert.deepEqual((await build(dir, { buildArgs: { LATE: 'x' } })).ran, ['RUN echo late'])
  assert.equal((await build(dir, { buildArgs: { V: '2' } })).ran.length, 2)
})

test('.dockerignore keeps files out of directories and says so when one is missed', async () => {
  const dir = context({
    Dockerfile: 'FROM scratch\nCOPY . /x\n',
    '.dockerignore': 'secret\n**/*.log\n!keep.log\nDockerfile\n',
    secret: 's',
    'd/a.log': 'l',
    'd/f': 'f',
    'keep.log': 'k',
  })
  utimesSync(join(dir, 'd'), 1000, 1000)
  const { image } = await build(dir)
  assert.deepEqual(layerFiles(image), ['./x', './x/.dockerignore', './x/d', './x/d/f', './x/keep.log'])
  const layer = m.snapshots.layerPath(image.layers[0] ?? 'sha256:')
  assert.equal(execFileSync('stat', ['-c', '%Y', join(layer, 'x/d')], { encoding: 'utf8' }), '1000\n')
  writeFileSync(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY secret /x\n')
  await assert.rejects(build(dir), (error) => {
    assert.ok(error instanceof BuildError)
    assert.match(
      error.message,
      /"\/secret": not found \(it is there, but \.dockerignore:1 "secret" keeps it out\)/,
    )
    assert.match(error.excerpt, /Dockerfile:2[^]*>>> COPY secret \/x\n +\| {10}\^{6}\n/)
    return true
  })
  await assertClean()
})

test('a failing command shows its output, command and exit code, and leaves nothing', async () => {
  const dir = context({ Dockerfile: 'FROM busybox\nRUN echo before; exit 7\n' })
  const events: BuildEvent[] = []
  const request = {
    context: { kind: 'directory', path: dir } as const,
    dockerfile: 'Dockerfile',
    tags: [],
    buildArgs: {},
    noCache: false,
    labels: {},
  }
  await assert.rejects(
    m.builder.build(op(), request, (e) => events.push(e)),
    {
      message: 'process "/bin/sh -c echo before; exit 7" did not complete successfully: exit code: 7',
    },
  )
  assert.equal(logOf(events), 'before\n')
  assert.ok(events.at(-1)?.type === 'error')
  await assert.rejects(build(context({ Dockerfile: 'FROM busybox\nRUN ["/nope"]\n' })), {
    message:
      'process "/nope" did not complete successfully: exec: "/nope": stat /nope: no such file or directory',
  })
  await assertClean()
})

test('independent stages run at the same time, and only those that are needed', async () => {
  const dir = context({
    Dockerfile: `FROM busybox AS a
RUN sleep 1; echo a > /a
FROM busybox AS b
RUN sleep 1; echo b > /b
FROM busybox AS c
RUN false
FROM scratch
COPY --from=a /a /
COPY --from=b /b /
`,
  })
  const start = performance.now()
  const { image } = await build(dir)
  assert.ok(performance.now() - start < 1900)
  assert.deepEqual([layerFiles(image, 0), layerFiles(image, 1)], [['./b'], ['./a']])
})

test('equal steps of concurrent builds run once', async () => {
  const dir = context({ Dockerfile: 'FROM busybox\nRUN sleep 0.5; echo shared\n' })
  const [one, two] = await Promise.all([build(dir), build(dir)])
  assert.equal(one.image.id, two.image.id)
  assert.equal(one.log, 'shared\n')
  assert.equal(two.log, 'shared\n')
})

test('a cancelled build stops at once and leaves nothing', async () => {
  const dir = context({ Dockerfile: 'FROM busybox\nRUN echo up; sleep 60\n' })
  const controller = new AbortController()
  const events: BuildEvent[] = []
  const request = {
    context: { kind: 'directory', path: dir } as const,
    dockerfile: 'Dockerfile',
    tags: [],
    buildArgs: {},
    noCache: false,
    labels: {},
  }
  const building = m.builder.build(op(controller.signal), request, (e) => {
    events.push(e)
    if (e.type === 'log') controller.abort()
  })
  const start = performance.now()
  await assert.rejects(building, { name: 'AbortError' })
  assert.ok(performance.now() - start < 5000)
  await assertClean()
})

test('the step has a network, names and no traces of them in its layer', async () => {
  const dir = context({
    Dockerfile:
      'FROM busybox\nRUN ip -o addr show eth0 && cat /etc/hosts && test -s /etc/resolv.conf && echo x > /etc/new\nRUN true\n',
  })
  const { image, log: output } = await build(dir)
  assert.match(output, /inet \d+\.\d+/)
  assert.match(output, /buildkitsandbox/)
  assert.deepEqual(layerFiles(image, 1), ['./etc', './etc/new'])
  assert.deepEqual(layerFiles(image, 0), [])
  const none = await build(context({ Dockerfile: 'FROM busybox\nRUN ip -o link | wc -l\n' }), {
    networkMode: 'none',
  })
  assert.equal(none.log.trim(), '1')
  assert.match(
    (await build(context({ Dockerfile: 'FROM busybox\nRUN ip -o link\n' }), { networkMode: 'host' })).log,
    new RegExp(`gb${instance}`),
  )
})

test('ADD unpacks archives, COPY does not; a tar context works like a directory', async () => {
  const dir = context({
    Dockerfile: 'FROM scratch\nADD a.tar.gz /add/\nCOPY a.tar.gz /copy/\nADD plain.gz /p/\n',
    'in/f': 'f',
  })
  execFileSync('tar', ['-C', join(dir, 'in'), '-czf', join(dir, 'a.tar.gz'), 'f'])
  writeFileSync(join(dir, 'plain.gz'), execFileSync('gzip', ['-c'], { input: 'text' }))
  const { image } = await build(dir)
  assert.deepEqual(
    [0, 1, 2].map((i) => layerFiles(image, i)),
    [
      ['./p', './p/plain.gz'],
      ['./copy', './copy/a.tar.gz'],
      ['./add', './add/f'],
    ],
  )
  const stream = Readable.from([execFileSync('tar', ['-C', dir, '-cz', '.'])])
  const again = await build(dir, { context: { kind: 'tar', stream } })
  assert.equal(again.image.id, image.id)
  assert.deepEqual(again.ran, [])
  await assertClean()
})

test('links in what is copied stay links, and lead nowhere outside', async () => {
  const dir = context({
    Dockerfile:
      'FROM busybox AS s\nRUN mkdir /d && echo in > /d/f\nFROM scratch\nCOPY links /l\nCOPY --from=s /d /l/../dd\nCOPY top /t\n',
    'links/f': '1',
    etc: 'mine',
  })
  symlinkSync('/etc/passwd', join(dir, 'links/abs'))
  symlinkSync('f', join(dir, 'links/rel'))
  symlinkSync('/etc', join(dir, 'top'))
  const { image } = await build(dir)
  assert.deepEqual(layerFiles(image, 2), ['./l', './l/abs', './l/f', './l/rel'])
  // `/etc` is the context's own file of that name.
  assert.equal(readFileSync(join(m.snapshots.layerPath(image.layers[2] ?? 'sha256:'), 't'), 'utf8'), 'mine')
})

test('COPY goes where docker puts it', async () => {
  const dir = context({
    Dockerfile: `FROM busybox
RUN mkdir -p /old /real && chmod 711 /old && echo x > /old/keep && cd / && busybox ln -s real link
COPY f /old
COPY f /new
COPY f /made/
COPY d /old
COPY d /taken
COPY d/ /slash/
COPY f link/in
COPY --chown=1000 f /own/er
COPY *.none /nothing/
COPY f g* /two/
`,
    f: 'f',
    g1: '1',
    g2: '2',
    'd/sub/x': 'x',
  })
  chmodSync(join(dir, 'd'), 0o700)
  chmodSync(join(dir, 'd/sub'), 0o750)
  const { image, log: output } = await build(dir)
  assert.match(output, /no file matches \*\.none/)
  const check = await build(
    context({
      Dockerfile: `FROM ${image.id}\nRUN cd / && stat -c '%a %u:%g %n' old old/f old/keep new made made/f old/sub taken taken/sub slash link/in own own/er two/*; true\n`,
    }),
  )
  assert.deepEqual(check.log.trim().split('\n'), [
    '711 0:0 old',
    '644 0:0 old/f',
    '644 0:0 old/keep',
    '644 0:0 new',
    '755 0:0 made',
    '644 0:0 made/f',
    '750 0:0 old/sub',
    '755 0:0 taken',
    '750 0:0 taken/sub',
    '755 0:0 slash',
    '644 0:0 link/in',
    '755 1000:1000 own',
    '644 1000:1000 own/er',
    '644 0:0 two/f',
    '644 0:0 two/g1',
    '644 0:0 two/g2',
  ])
  // Through the link, into the directory that it names.
  assert.deepEqual(layerFiles(image, 3), ['./real', './real/in'])
})

test('the same layer may come twice, an image may be nothing but metadata', async () => {
  const dir = context({
    Dockerfile: 'FROM scratch AS m\nLABEL a=b\nFROM busybox\nCOPY f /f\nRUN rm /f\nCOPY f /f\nRUN cat /f\n',
    f: 'back',
  })
  utimesSync(join(dir, 'f'), 5, 5)
  assert.equal((await build(dir)).log, 'back')
  const { image } = await build(dir, { target: 'm' })
  assert.deepEqual([image.layers, image.config.config?.Labels], [[], { a: 'b' }])
})

test('bad requests: one clear sentence each, nothing left', async () => {
  const dir = context({ Dockerfile: 'FROM busybox\n' })
  await assert.rejects(build(dir, { tags: ['BAD'] }), { kind: 'invalid' })
  await assert.rejects(build(dir, { dockerfile: 'nope' }), {
    message: 'failed to read dockerfile: open nope: no such file or directory',
  })
  await assert.rejects(build(join(dir, 'gone')), /path ".*gone" not found/)
  await assert.rejects(build(dir, { networkMode: 'mine' }), { kind: 'unsupported' })
  const stream = Readable.from([Buffer.from('no tar at all')])
  await assert.rejects(build(dir, { context: { kind: 'tar', stream } }), {
    message: 'the build context is not a tar archive',
  })
  writeFileSync(join(dir, 'Dockerfile'), 'FROM busybox\nUSER nobody-here\nRUN true\n')
  await assert.rejects(build(dir), /unable to find user nobody-here/)
  await assertClean()
})

test('COPY --link: a layer of its own, followed by no link and found again on any base', async () => {
  const text = (first: string) => `FROM busybox
RUN ${first} && mkdir -p /real /dir && echo kept > /dir/kept && ln -s real /lnk
COPY --link f /lnk/
COPY --link --chown=7:8 --chmod=640 f /dir/new
ADD --link d /dir/
RUN cat /dir/kept /lnk/f && ls -d /real/* ; stat -c '%a %u:%g %F %n' /dir/new /lnk /dir/x
`
  const dir = context({ Dockerfile: text('true'), f: 'f\n', 'd/x': 'x' })
  const { image, log: output, ran } = await build(dir)
  assert.equal(ran.length, 5)
  assert.equal(
    output.replace(/^ls:.*\n/m, ''),
    'kept\nf\n640 7:8 regular file /dir/new\n755 0:0 directory /lnk\n644 0:0 regular file /dir/x\n',
  )
  assert.deepEqual(layerFiles(image, 2), ['./dir', './dir/new'])
  assert.equal(image.config.history?.filter((row) => !row.empty_layer).length, image.layers.length)
  writeFileSync(join(dir, 'Dockerfile'), text('echo other > /other'))
  const again = await build(dir)
  assert.equal(again.ran.length, 2)
  assert.deepEqual(again.image.layers.slice(2, 5), image.layers.slice(2, 5))
  assert.deepEqual((await build(dir)).ran, [])
  await assert.rejects(
    build(context({ Dockerfile: 'FROM busybox\nCOPY --link --chown=app f /f\n', f: 'f' })),
    /unable to find user app/,
  )
  await assertClean()
})

test('RUN --mount=type=bind: context and stages, read-only or written for nothing, keyed by what is in them', async () => {
  const text = `FROM busybox AS s
RUN mkdir -p /out/deep && echo made > /out/deep/f && ln -s /out /alias && ln -s run /var-run && mkdir /run
FROM s
WORKDIR /w
RUN --mount=target=/ctx --mount=src=one,target=one --mount=from=s,source=/alias/deep,target=/m,rw \\
    --mount=type=tmpfs,target=/var-run/t,size=1m \\
    ls /ctx && cat one /m/f && stat -c %u:%g /ctx/one && echo y > /m/f && cat /m/f && ! echo x 2>/dev/null > /ctx/x && \\
    stat -f -c %T /run/t && echo t > /run/t/x && echo kept > /w/kept
`
  const dir = context({ Dockerfile: text, '.dockerignore': 'two\nDockerfile', one: '1\n', two: '2' })
  execFileSync('chown', ['1234', join(dir, 'one')])
  const { image, log: output } = await build(dir)
  assert.equal(output, 'one\n1\nmade\n0:0\ny\ntmpfs\n')
  assert.deepEqual(layerFiles(image), ['./w', './w/kept'])
  assert.deepEqual((await build(dir)).ran, [])
  writeFileSync(join(dir, 'two'), 'ignored')
  assert.deepEqual((await build(dir)).ran, [])
  writeFileSync(join(dir, 'one'), '1b\n')
  assert.equal((await build(dir)).ran.length, 1)
  // The stage ran again and gave the same files in another layer stack.
  writeFileSync(join(dir, 'Dockerfile'), text.replace('AS s\n', 'AS t\nCOPY one /o\nFROM busybox AS s\n'))
  assert.deepEqual((await build(dir)).ran, [])
  for (const [flag, message] of [
    ['source=gone', /"\/gone": not found/],
    ['source=two', /"\/two": not found \(it is there, but \.dockerignore:1 "two" keeps it out\)/],
    ['from=s,source=/gone', /"\/gone": not found/],
  ] as const) {
    writeFileSync(join(dir, 'Dockerfile'), `FROM busybox AS s\nFROM s\nRUN --mount=${flag},target=/m true\n`)
    await assert.rejects(build(dir), (error) => {
      assert.ok(error instanceof BuildError)
      assert.match(error.message, message)
      assert.match(error.excerpt, /\^{10}/)
      return true
    })
  }
  await assertClean()
})

test('RUN --mount=type=cache: kept between builds and restarts, no part of the layer or the key', async () => {
  const dir = context({
    Dockerfile: `FROM busybox AS s
RUN mkdir /d && echo seed > /d/f && chown 3:4 /d
FROM busybox
ARG N
RUN --mount=type=cache,target=/root/.cache --mount=type=cache,target=/c,id=c,mode=0711,uid=5,gid=6 \\
    --mount=type=cache,target=/s,from=s,source=/d \\
    echo $N >> /root/.cache/log; cat /root/.cache/log /s/f; stat -c '%a %u:%g' /c /s; echo $N > /s/f
`,
  })
  const one = await build(dir, { buildArgs: { N: '1' } })
  assert.equal(one.log, '1\nseed\n711 5:6\n755 3:4\n')
  assert.deepEqual(layerFiles(one.image), [])
  await m.close()
  m = await open()
  const two = await build(dir, { buildArgs: { N: '2' } })
  assert.equal(two.log, '1\n2\n1\n711 5:6\n755 3:4\n')
  assert.deepEqual((await build(dir, { buildArgs: { N: '1' } })).ran, [])
  assert.ok((await m.builder.cache.prune(op(), everything)).bytes >= 6)
  assert.deepEqual(readdirSync(join(root, 'build/mounts')), [])
  await assertClean()
})

test('RUN --mount=type=secret: for the step alone, in no byte that is kept', async () => {
  const value = `hunter-${process.pid}-two`
  const secrets = secretsOf(new Map([['key', Buffer.from(value)]]))
  const text = `FROM busybox
RUN --mount=type=secret,id=key --mount=type=secret,id=key,target=/root/k,mode=0440,uid=1,gid=2 --mount=type=secret,id=other \\
    wc -c < /run/secrets/key && stat -c '%a %u:%g' /run/secrets/key /root/k && ls /run/secrets && test ! -e /run/secrets/other
RUN --mount=type=secret,id=key,env=KEY test -n "$KEY" && test ! -e /run/secrets/key && echo "$KEY" | wc -c && echo x > /x
RUN echo "[$KEY]"
`
  const dir = context({ Dockerfile: text })
  const { image, log: output, events } = await build(dir, { secrets })
  const { length } = value
  assert.equal(output, `${length}\n400 0:0\n440 1:2\nkey\n${length + 1}\n[]\n`)
  assert.deepEqual(
    [0, 1, 2].map((n) => layerFiles(image, n)),
    [[], ['./x'], []],
  )
  assert.ok(!JSON.stringify([image, events]).includes(value))
  // Another value is no other step.
  assert.deepEqual((await build(dir, { secrets: secretsOf(new Map([['key', Buffer.from('new')]])) })).ran, [])
  writeFileSync(join(dir, 'Dockerfile'), 'FROM busybox\nRUN --mount=type=secret,id=key,required true\n')
  await assert.rejects(build(dir), (error) => {
    assert.ok(error instanceof BuildError)
    assert.equal(error.message, 'secret key: not found')
    assert.match(error.excerpt, />>> RUN --mount=type=secret/)
    return true
  })
  assert.equal((await build(dir, { secrets })).ran.length, 1)
  await assertClean()
  await m.close()
  assert.equal(execFileSync('sh', ['-c', `grep -rlaF ${value} ${root} || true`], { encoding: 'utf8' }), '')
  m = await open()
})

test('COPY --parents keeps directories, --exclude leaves files out, with all that goes with COPY', async () => {
  const files = {
    'x/a.txt': 'a',
    'x/y/b.txt': 'b',
    'x/y/c.md': 'c',
    'x/y/deep/d.txt': 'd',
    'z/e.txt': 'e',
    'z/hidden/f.txt': 'f',
    '.dockerignore': 'z/hidden\nDockerfile\n',
  }
  const lines = [
    'FROM scratch AS s',
    'COPY . /src/',
    'FROM scratch',
    'ARG EXT=md',
    'COPY --parents x/a.txt x/y/*.txt /p1/',
    'COPY --parents ./x/./y/deep x/./*.txt /p2/',
    'COPY --parents **/*.txt /p3/',
    'COPY --exclude=*.$EXT --exclude=deep/* x/y /e1/',
    'COPY --exclude=**/*.txt --exclude=!x/y/b.txt --link . /e2/',
    'COPY --exclude=a.* x/*.txt /e3/',
    'COPY --from=s --parents --exclude=**/deep --chown=3:4 /src/./x /f1/',
    'COPY --parents x/lnk x/none*/q /l/',
  ]
  const dir = context({ ...files, Dockerfile: lines.join('\n') })
  symlinkSync('y', join(dir, 'x/lnk'))
  chmodSync(join(dir, 'x/y'), 0o711)
  const { image } = await build(dir)
  const listed = (n: number) =>
    layerFiles(image, image.layers.length - 1 - n).filter(
      (path) => !/^\.\/[a-z0-9]+$/.test(path) && !path.endsWith('.dockerignore'),
    )
  assert.deepEqual([0, 1, 2, 3, 4, 6].map(listed), [
    ['./p1/x', './p1/x/a.txt', './p1/x/y', './p1/x/y/b.txt'],
    ['./p2/a.txt', './p2/y', './p2/y/deep', './p2/y/deep/d.txt'],
    [
      './p3/x',
      './p3/x/a.txt',
      './p3/x/y',
      './p3/x/y/b.txt',
      './p3/x/y/deep',
      './p3/x/y/deep/d.txt',
      './p3/z',
      './p3/z/e.txt',
    ],
    ['./e1/b.txt', './e1/deep'],
    ['./e2/x', './e2/x/lnk', './e2/x/y', './e2/x/y/b.txt', './e2/x/y/c.md', './e2/x/y/deep', './e2/z'],
    ['./f1/x', './f1/x/a.txt', './f1/x/lnk', './f1/x/y', './f1/x/y/b.txt', './f1/x/y/c.md'],
  ])
  const at = (n: number, path: string) => join(m.snapshots.layerPath(image.layers[n] ?? 'sha256:'), path)
  const stat = (path: string) =>
    execFileSync('stat', ['-c', '%a %u:%g %F', path], { encoding: 'utf8' }).trim()
  assert.equal(stat(at(0, 'p1/x/y')), '711 0:0 directory')
  assert.equal(stat(at(6, 'f1/x/a.txt')), '644 3:4 regular file')
  assert.equal(stat(at(7, 'l/x/lnk')), '777 0:0 symbolic link')
  assert.deepEqual((await build(dir)).ran, [])
  writeFileSync(join(dir, 'x/y/c.md'), 'changed')
  assert.deepEqual(
    // Those that do not take it and stand below keep their layers.
    (await build(dir)).ran.map((text) => text.split(' ').at(-1) ?? '').toSorted(),
    ['/e2/', '/e3/', '/f1/', '/l/', '/src/'],
  )
  writeFileSync(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY --parents x/none /l/\n')
  await assert.rejects(build(dir), /"\/x\/none": not found/)
  await assertClean()
})

test('caches are shared, private or locked', async () => {
  const steps = (sharing: string) => {
    const step = (n: number) =>
      `FROM busybox AS s${n}\nRUN --mount=type=cache,target=/c,id=${sharing},sharing=${sharing} \\\n` +
      `  touch /c/${n}; sleep 0.6; find /c -type f | wc -l > /n\n`
    const text = `${step(1)}${step(2)}FROM busybox\nCOPY --from=s1 /n /1\nCOPY --from=s2 /n /2\nRUN cat /1 /2\n`
    return build(context({ Dockerfile: text }))
  }
  assert.equal((await steps('shared')).log, '2\n2\n')
  assert.equal((await steps('private')).log, '1\n1\n')
  assert.deepEqual((await steps('locked')).log.trim().split('\n').toSorted(), ['1', '2'])
  await assertClean()
})

test('here-documents', async () => {
  const { image, log: output } = await build(
    context({
      Dockerfile:
        'FROM busybox\nENV A=x\nRUN <<EOF\necho 1\necho $A\nEOF\nRUN <<S\n#!/bin/cat\nscript\nS\nRUN cat <<E\ninput\nE\nCOPY <<F /f\n$A\nF\n',
    }),
  )
  assert.equal(output, '1\nx\n#!/bin/cat\nscript\ninput\n')
  assert.equal(
    readFileSync(join(m.snapshots.layerPath(image.layers.at(-1) ?? 'sha256:'), 'f'), 'utf8'),
    'x\n',
  )
})

test('a COPY finds its layer again although another stage gave it the same file', async () => {
  const text = (comment: string) =>
    `FROM busybox AS b\nRUN : ${comment}; echo same > /f; touch -d @1 /f\nFROM scratch\nCOPY --from=b /f /f\n`
  const dir = context({ Dockerfile: text('one') })
  const first = await build(dir)
  writeFileSync(join(dir, 'Dockerfile'), text('two'))
  const second = await build(dir)
  assert.equal(second.ran.length, 1)
  assert.equal(second.image.id, first.image.id)
})

test('COPY --chmod takes changes of modes, for directories and files alike', async () => {
  const dir = context({
    'd/f': '',
    'd/x': '',
    Dockerfile: `FROM busybox
COPY --chmod=u=rwX,go= d /d/sub/
COPY --chmod=a+x --chown=33: d/f /g
COPY --chmod=go+w <<EOF /h
EOF
RUN stat -c '%a %u:%g %n' /d/sub/f /d/sub/x /g /h
`,
  })
  chmodSync(join(dir, 'd/x'), 0o755)
  assert.match(
    (await build(dir)).log,
    /600 0:0 \/d\/sub\/f\n700 0:0 \/d\/sub\/x\n755 33:0 \/g\n666 0:0 \/h\n/,
  )
})

test('hosts, limits and shared memory of steps; limits alone are no reason to run one again', async () => {
  const dir = context({
    Dockerfile: `FROM busybox
RUN cat /etc/hosts && ulimit -n && ulimit -Hn && cat /proc/mounts && cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max; echo x > /x
`,
  })
  const addHosts = ['one:10.9.8.7', 'six:2001:db8::1', 'gate:host-gateway']
  const o = {
    addHosts: addHosts.filter((each) => !each.startsWith('six')),
    ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
    shmSize: 8 << 20,
    resources: { Memory: 64 << 20, CpuQuota: 50_000, CpuPeriod: 100_000 },
    cgroupParent: `/gantry-test-${instance}/steps`,
  }
  const { log } = await build(dir, o)
  assert.match(log, /^10\.9\.8\.7\tone$/m)
  assert.match(log, /^[0-9.]+\tgate$/m)
  assert.match(log, /^100\n200$/m)
  assert.match(log, /shm \/dev\/shm tmpfs .*size=8192k/)
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) assert.match(log, /^67108864\n50000 100000$/m)
  assert.deepEqual((await build(dir, { ...o, resources: {} })).ran, [])
  assert.equal((await build(dir, { ...o, addHosts })).ran.length, 1)
  await assert.rejects(build(dir, { addHosts: ['nothing'] }), /bad format for add-host: "nothing"/)
})

test('what a killed daemon left of a build is gone after the next start', async () => {
  await m.close()
  const flags = '--mount=type=secret,id=k,required --mount=target=/ctx,rw --mount=type=cache,target=/c'
  const dir = context({ Dockerfile: `FROM busybox\nRUN ${flags} echo up; sleep 1234\n` })
  const script = `
    const { op, openMachine } = await import(${JSON.stringify(join(import.meta.dirname, 'test-machine.ts'))})
    const m = await openMachine(${JSON.stringify({ root, instance })})
    const context = { kind: 'directory', path: ${JSON.stringify(dir)} }
    const secrets = { get: () => Promise.resolve(Buffer.from('secret')) }
    const request = { context, dockerfile: 'Dockerfile', tags: [], buildArgs: {}, noCache: false, labels: {}, secrets }
    await m.builder.build(op(), request, (e) => e.type === 'log' && console.log(e.data))`
  // A file, not --eval: its flags would reach the worker threads.
  const main = join(dir, 'main.mjs')
  writeFileSync(main, script)
  const child = spawn(process.execPath, [main], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => data.toString().includes('up') && resolve())
    child.on('exit', () => reject(new Error('the child ended early')))
  })
  const died = new Promise((resolve) => child.once('close', resolve))
  child.removeAllListeners('exit')
  child.kill('SIGKILL')
  m = await open()
  await m.networks.reconcile(op(), new Set())
  await assertClean()
  assert.equal(execFileSync('sh', ['-c', 'pgrep -f "sleep 123[4]" || true'], { encoding: 'utf8' }), '')
  await died
})

test('prune without limits empties the cache, and takes the layers away', async () => {
  const dir = context({ Dockerfile: 'FROM busybox\nRUN echo p > /p\n' })
  const { image } = await build(dir)
  const before = await m.builder.cache.items(op())
  const step = before.find((item) => item.description.endsWith('RUN echo p > /p'))
  assert.ok(step?.shared && step.usageCount === 1 && !step.inUse)
  // What an image shares is not what somebody means who wants room.
  assert.ok(!(await m.builder.cache.prune(op(), { ...everything, all: false })).ids.includes(step.id))
  await m.images.remove(op(), image.id, { force: true, noPrune: false, usedBy: () => undefined })
  const [layer] = image.layers.slice(-1)
  assert.ok(layer && m.snapshots.layer(layer))
  const { ids, bytes } = await m.builder.cache.prune(op(), everything)
  assert.ok(ids.includes(step.id) && bytes >= 2)
  assert.equal(m.builder.references().layers.size, 0)
  assert.equal(m.snapshots.layer(layer), undefined)
  assert.deepEqual(await m.builder.cache.items(op()), [])
  assert.equal((await build(dir)).ran.length, 1)
})
