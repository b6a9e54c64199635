import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPlatform, hostPlatform, type Image } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { digestOf } from '../../lib/digest.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import type { BuildEvent } from '../../wire/build.ts'
import { parseProgram } from '../dockerfile/stages.ts'
import { Progress } from '../solver/progress.ts'
import type { Vertex, Work } from '../solver/vertex.ts'
import { convert, type ConvertOptions } from './convert.ts'
import type { Tree } from './tree.ts'
import type { CopyStep, GitStep, HttpStep, RunStep } from './works.ts'

const layer = digestOf('layer')
const busybox: Image = {
  id: digestOf('busybox'),
  config: {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin', 'A=base'], Cmd: ['sh'], WorkingDir: '/w' },
    rootfs: { type: 'layers', diff_ids: [layer] },
    history: [{ created: '2020-01-01T00:00:00Z', created_by: 'base' }],
  },
  layers: [layer],
  size: 1,
  createdAt: '2020-01-01T00:00:00Z',
  refs: ['docker.io/library/busybox:latest'],
  digests: [],
}

async function run(text: string, o: Partial<ConvertOptions> = {}) {
  const runs: RunStep[] = []
  const copies: CopyStep[] = []
  const https: HttpStep[] = []
  const gits: GitStep[] = []
  const events: BuildEvent[] = []
  let wanted: ReadonlySet<string> = new Set()
  const work: Work<Tree> = { keys: [], run: () => assert.fail('nothing runs here') }
  const draft = await convert(background(silentLogger), parseProgram('Dockerfile', text), {
    buildArgs: {},
    network: 'bridge',
    progress: new Progress((event) => events.push(event)),
    works: {
      image: () => work,
      context: (paths) => ((wanted = paths), work),
      run: (step) => (runs.push(step), work),
      copy: (step) => (copies.push(step), work),
      http: (step) => (https.push(step), work),
      git: (step) => (gits.push(step), work),
      workdir: () => work,
      stack: () => work,
    },
    contexts: new Map(),
    findImage: (_op, ref) => {
      if (!ref.startsWith('busybox')) throw new EngineError('not-found', `No such image: ${ref}`)
      return Promise.resolve(ref.includes('onbuild') ? onbuild : busybox)
    },
    ...o,
  })
  const warnings = events.flatMap((event) => (event.type === 'warning' ? event.message : []))
  return { draft, runs, copies, https, gits, warnings, wanted: [...wanted], names: namesOf(draft.tree) }
}

const onbuild: Image = {
  ...busybox,
  config: { ...busybox.config, config: { OnBuild: ['RUN triggered', 'COPY a /a'] } },
}

function namesOf(vertex: Vertex<Tree> | undefined, seen = new Set<string>()): string[] {
  if (!vertex || seen.has(vertex.id)) return []
  seen.add(vertex.id)
  return [...vertex.inputs.flatMap((input) => namesOf(input, seen)), vertex.name]
}

test('config, history and environment come out as BuildKit makes them', async () => {
  const { draft, runs } = await run(
    [
      'FROM busybox',
      'MAINTAINER me',
      'ARG V=1',
      'ENV B="x y" C=$A',
      'LABEL l="$V"',
      'WORKDIR sub',
      'RUN echo $V',
      'EXPOSE 80 53/udp 8000-8001',
      'VOLUME ["/v"]',
      'USER 1:2',
      'STOPSIGNAL SIGINT',
      'SHELL ["/bin/ash", "-ec"]',
      'CMD one two',
      'HEALTHCHECK --interval=30s --retries=3 CMD x',
      'ENTRYPOINT ["e"]',
    ].join('\n'),
  )
  assert.deepEqual(draft.config, {
    Env: ['PATH=/bin', 'A=base', 'B=x y', 'C=base'],
    Cmd: ['/bin/ash', '-ec', 'one two'],
    ArgsEscaped: true,
    WorkingDir: '/w/sub',
    Labels: { l: '1' },
    ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {} },
    Volumes: { '/v': {} },
    User: '1:2',
    StopSignal: 'SIGINT',
    Shell: ['/bin/ash', '-ec'],
    Healthcheck: { Test: ['CMD-SHELL', 'x'], Interval: 30e9, Retries: 3 },
    Entrypoint: ['e'],
  })
  assert.equal(draft.author, 'me')
  assert.deepEqual(runs[0]?.env, ['PATH=/bin', 'A=base', 'B=x y', 'C=base', 'V=1'])
  assert.equal(runs[0]?.cwd, '/w/sub')
  assert.deepEqual(
    draft.history.slice(1).map((row) => `${row.emptyLayer ? '-' : '+'} ${row.createdBy}`),
    [
      '- MAINTAINER me',
      '- ARG V=1',
      '- ENV B=x y C=base',
      '- LABEL l=1',
      '+ WORKDIR /w/sub',
      '+ RUN |1 V=1 /bin/sh -c echo $V # buildkit',
      '- EXPOSE map[53/udp:{} 80/tcp:{} 8000/tcp:{} 8001/tcp:{}]',
      '- VOLUME [/v]',
      '- USER 1:2',
      '- STOPSIGNAL SIGINT',
      '- SHELL [/bin/ash -ec]',
      '- CMD ["/bin/ash" "-ec" "one two"]',
      `- HEALTHCHECK &{["CMD-SHELL" "x"] "30s" "0s" "0s" "0s" '\\x03'}`,
      '- ENTRYPOINT ["e"]',
    ],
  )
})

test('only what the target needs is in the graph', async () => {
  const text =
    'FROM busybox AS a\nRUN a\nFROM nowhere AS unused\nRUN u\nFROM scratch AS last\nCOPY --from=a /x /y\nCOPY --from=0 /x /z\n'
  const { names } = await run(text)
  assert.deepEqual(names, [
    '[a 1/2] FROM docker.io/library/busybox:latest',
    '[a 2/2] RUN a',
    '[last 1/2] COPY --from=a /x /y',
    '[last 2/2] COPY --from=0 /x /z',
  ])
  assert.deepEqual((await run(text, { target: 'A' })).names.length, 2)
  await assert.rejects(
    run(text, { target: 'lost' }),
    /target stage "lost" could not be found \(did you mean last\?\)/,
  )
})

test('build arguments: global, inherited, predefined, unused', async () => {
  const { runs, warnings } = await run(
    'ARG TAG=latest\nARG G=glob\nFROM busybox:$TAG\nARG G\nARG D=def\nARG A=arg\nARG TARGETARCH\nRUN x\n',
    {
      buildArgs: { D: 'given', http_proxy: 'p', NOPE: '1' },
    },
  )
  const env = runs[0]?.env ?? []
  assert.ok(env.includes('G=glob') && env.includes('D=given'))
  // BuildKit: the last of ENV and ARG counts, whatever the documentation says.
  assert.ok(env.includes('A=arg'))
  assert.ok(env.some((entry) => entry.startsWith('TARGETARCH=')))
  assert.deepEqual(runs[0]?.proxyEnv, ['HTTP_PROXY=p', 'http_proxy=p'])
  assert.deepEqual(warnings, ['One or more build-args [NOPE] were not consumed'])
})

test('COPY knows what it wants of the context and where it goes', async () => {
  const { copies, wanted } = await run(
    'FROM busybox\nCOPY --chown=a:b --chmod=755 x y* dir/\nADD z .\nCOPY w /abs\nCOPY <<F <<G /h/\n$A\nF\nb\nG\n',
  )
  assert.deepEqual(wanted, ['x', 'y*', 'z', 'w'])
  assert.deepEqual(
    copies.map((c) => c.target),
    ['/w/dir/', '/w/', '/abs', '/h/'],
  )
  assert.deepEqual([copies[0]?.chown, copies[0]?.mode, copies[1]?.sources[0]?.extract], ['a:b', 0o755, true])
  assert.deepEqual(copies[3]?.inline, [
    { name: 'F', data: 'base\n' },
    { name: 'G', data: 'b\n' },
  ])
})

test('RUN here-documents become a script, a file to run or input for the shell', async () => {
  const { runs } = await run('FROM busybox\nRUN <<E\nx\nE\nRUN <<E\n#!/bin/y\nE\nRUN cat <<E\nz\nE\n')
  assert.deepEqual(
    runs.map((r) => r.args),
    [
      ['/bin/sh', '-c', 'x\n'],
      ['/bin/sh', '-c', '/dev/pipes/E'],
      ['/bin/sh', '-c', 'cat <<E\nz\nE'],
    ],
  )
  assert.deepEqual(runs[1]?.script, { name: 'E', data: '#!/bin/y\n' })
})

test('RUN mounts: targets below the directory, variables, inputs once each, sources that the context has to have', async () => {
  const { runs, wanted, draft } = await run(
    [
      'FROM busybox AS a',
      'RUN a',
      'FROM busybox',
      'ARG D=sub',
      'RUN --mount=target=$D,source=x[1] --mount="from=a,target=/b,rw" --mount=type=cache,target=/c/,from=a \\',
      '  --mount=type=cache,target=${D}2,id=i --mount=type=tmpfs,target=/t x',
      'RUN --mount=target=/all,from=scratch y',
    ].join('\n'),
  )
  assert.deepEqual(runs[1]?.mounts, [
    {
      type: 'bind',
      target: '/w/sub',
      readonly: true,
      from: 'context',
      path: '/x[1]',
      source: 'x\\[1\\]',
      input: 0,
    },
    { type: 'bind', target: '/b', readonly: false, from: 'tree', path: '/', source: '.', input: 1 },
    {
      type: 'cache',
      target: '/c',
      readonly: false,
      id: '/c',
      sharing: 'shared',
      path: '/',
      source: '.',
      input: 1,
    },
    { type: 'cache', target: '/w/sub2', readonly: false, id: 'i', sharing: 'shared', path: '/', source: '.' },
    { type: 'tmpfs', target: '/t', readonly: false },
  ])
  assert.equal(runs[2]?.mounts[0]?.type === 'bind' && runs[2].mounts[0].input, undefined)
  assert.deepEqual(wanted, ['x\\[1\\]'])
  assert.match(draft.history.at(-2)?.createdBy ?? '', /^RUN \|1 D=sub \/bin\/sh -c x # buildkit$/)
})

test('secrets: where they go and what they are called', async () => {
  const { runs } = await run(
    [
      'FROM busybox',
      'RUN --mount=type=secret,id=a/b --mount=type=secret,target=k,required,mode=0444 --mount=type=secret,id=e,env=E x',
    ].join('\n'),
  )
  const common = { type: 'secret', required: false, mode: 0o400, uid: 0, gid: 0 }
  assert.deepEqual(runs[0]?.mounts, [
    { ...common, id: 'a/b', target: '/run/secrets/b' },
    { ...common, id: 'k', target: '/w/k', required: true, mode: 0o444 },
    { ...common, id: 'e', env: 'E' },
  ])
})

test('ONBUILD triggers of the base run first, once', async () => {
  const { names, draft } = await run('FROM busybox:onbuild\nRUN own\n')
  assert.deepEqual(
    names.slice(1).map((n) => n.replace(/^.*\] /, '')),
    ['RUN triggered', 'load build context', 'COPY a /a', 'RUN own'],
  )
  assert.equal(draft.config.OnBuild, undefined)
})

test('platforms: those of the build, of the image, and of single stages', async () => {
  const asked: (string | undefined)[] = []
  const text = `FROM --platform=$BUILDPLATFORM busybox AS tool
ARG TARGETPLATFORM
ARG TARGETVARIANT
RUN tool
FROM busybox
ARG BUILDPLATFORM
COPY --from=tool a b
RUN x
FROM scratch
COPY --from=1 /a /b`
  const { draft, runs } = await run(text, {
    platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
    findImage: (_op, _ref, { platform }) => {
      asked.push(platform && formatPlatform(platform))
      const { os, architecture, variant } = platform ?? hostPlatform()
      const config = { ...busybox.config, os, architecture, ...(variant !== undefined && { variant }) }
      return Promise.resolve({ ...busybox, config })
    },
  })
  const host = formatPlatform(hostPlatform())
  assert.deepEqual(new Set(asked), new Set(['linux/arm/v7', host]))
  const [tool, target] = [
    runs.find((step) => step.args.includes('tool')),
    runs.find((step) => step.args.includes('x')),
  ]
  assert.ok(tool?.env.includes('TARGETPLATFORM=linux/arm/v7') && tool.env.includes('TARGETVARIANT=v7'))
  assert.ok(target?.env.includes(`BUILDPLATFORM=${host}`))
  assert.deepEqual([tool?.platform, target?.platform], [undefined, 'linux/arm/v7'])
  assert.deepEqual([draft.os, draft.architecture, draft.variant], ['linux', 'arm', 'v7'])
})

test('RUN --network: its own, the host’s when allowed, the build’s', async () => {
  const text =
    'FROM busybox\nRUN --network=none a\nRUN --network=host b\nRUN --network=default --security=sandbox c'
  const networks = async (o: Partial<ConvertOptions>) => (await run(text, o)).runs.map((step) => step.network)
  assert.deepEqual(await networks({ allowHostNetwork: true }), ['none', 'host', 'bridge'])
  assert.deepEqual(await networks({ network: 'host' }), ['none', 'host', 'host'])
})

test('what is empty after expansion asks for nothing', async () => {
  const { draft, copies } = await run('FROM busybox\nWORKDIR $NO\nCOPY --chmod=$NO --chown=$NO a b')
  assert.equal(draft.config.WorkingDir, '/w')
  assert.deepEqual([copies[0]?.mode, copies[0]?.chown, copies[0]?.target], [undefined, undefined, '/w/b'])
})

test('agents: where their sockets go, and the variable that names the first', async () => {
  const { runs } = await run(
    'FROM busybox\nWORKDIR /w\nRUN --mount=type=ssh --mount=type=ssh,id=b,target=s,required,uid=1,mode=0660 x\nENV SSH_AUTH_SOCK=/own\nRUN --mount=type=ssh y',
  )
  const agent = { type: 'ssh', required: false, mode: 0o600, uid: 0, gid: 0 }
  assert.deepEqual(runs[0]?.mounts, [
    { ...agent, id: 'default', target: '/run/buildkit/ssh_agent.0' },
    { ...agent, id: 'b', target: '/w/s', required: true, mode: 0o660, uid: 1 },
  ])
  assert.ok(runs[0]?.env.includes('SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0'))
  assert.ok(runs[1]?.env.includes('SSH_AUTH_SOCK=/own'))
})

test('ADD of URLs and repositories, beside files of the context', async () => {
  const { https, gits, copies, names } = await run(
    `FROM busybox
ARG V=1
ADD https://h/f-$V.tar a.txt https://h/x/ /in/
ADD --unpack --checksum=sha256:${'0'.repeat(64)} https://u:p@h/b.tar?k=s /in/
ADD --unpack=false b.tar /in/
ADD --keep-git-dir=true https://h/r.git?branch=b&subdir=s /src
ADD --checksum=ABCDEF1 git@h:u/r.git#v1 /src`,
  )
  const sum = `sha256:${'0'.repeat(64)}`
  assert.deepEqual(https, [
    { url: 'https://h/f-1.tar', name: 'f-1.tar' },
    { url: 'https://h/x/', name: 'x' },
    { url: 'https://u:p@h/b.tar?k=s', name: 'b.tar', checksum: sum },
  ])
  assert.deepEqual(
    gits.map(({ source, ...rest }) => [source.remote, source.ref, source.subdir, rest]),
    [
      ['https://h/r.git', 'refs/heads/b', 's', { keepGitDir: true }],
      ['git@h:u/r.git', 'v1', '.', { keepGitDir: false, checksum: 'abcdef1' }],
    ],
  )
  assert.deepEqual(
    copies.map((step) =>
      step.sources.map(({ pattern, from, extract, input }) => [pattern, from, extract, input]),
    ),
    [
      [
        ['/f-1.tar', 'tree', false, 0],
        ['a.txt', 'context', true, 1],
        ['/x', 'tree', false, 2],
      ],
      [['/b.tar', 'tree', true, 0]],
      [['b.tar', 'context', false, 0]],
      [['.', 'tree', false, 0]],
      [['.', 'tree', false, 0]],
    ],
  )
  assert.ok(names.includes('https://u:xxxxx@h/b.tar?xxxxx'))
})

test('faults point at their place', async () => {
  const cases: Record<string, RegExp> = {
    'FROM nowhere': /docker.io\/library\/nowhere:latest: failed to resolve source metadata .*No such image/,
    'FROM $X': /base name \(\$X\) should not be blank/,
    'FROM Upper:x': /must be lowercase/,
    'FROM --platform=windows/amd64 busybox': /images are built for linux alone/,
    'FROM --platform=a/b/c/d busybox': /failed to parse platform a\/b\/c\/d/,
    'FROM --platform=$NO busybox': /empty platform value from expression \$NO$/,
    'FROM --platform=$BULIDPLATFORM busybox': /expression \$BULIDPLATFORM \(did you mean BUILDPLATFORM\?\)/,
    'FROM busybox AS a\nCOPY --from=b x y\nFROM busybox AS b\nCOPY --from=a x y':
      /circular dependency detected on stage: a$/,
    'FROM busybox AS a\nRUN --mount=from=b,target=/b x\nFROM a AS b\nFROM a':
      /cannot copy from stage "b", it needs/,
    'FROM busybox AS a\nCOPY --from=b x y\nFROM busybox AS b\nFROM a':
      /cannot copy from stage "b", it needs to be defined before/,
    'FROM busybox\nCOPY --from=3 a b': /invalid stage index 3/,
    'FROM busybox AS x\nCOPY --from=x a b': /circular dependency/,
    'FROM busybox\nRUN --mount=target=/ x': /invalid mount target "\/"/,
    'FROM busybox AS x\nRUN --mount=from=x,target=/a y': /circular dependency/,
    'FROM busybox\nRUN --mount=from=$A,target=/a y': /'from' doesn't support variable expansion/,
    'FROM busybox\nCOPY --exclude=[ a /c': /syntax error in pattern "\["/,
    'FROM busybox\nEXPOSE x': /invalid containerPort: x/,
    'FROM busybox\nRUN --network=host x': /network.host is not allowed: build with --allow network.host/,
    'FROM busybox\nRUN --network=hst x': /invalid network mode "hst" \(did you mean host\?\)/,
    'FROM busybox\nRUN --security=insecure x': /security.insecure is not allowed/,
    'FROM busybox\nRUN --device=vendor/x y': /RUN --device is not supported/,
    'FROM busybox\nADD --checksum=x https://x/y z': /invalid checksum digest format: x/,
    'FROM busybox\nADD --checksum=x y z': /checksum requires HTTP\(S\) or Git sources/,
    'FROM busybox\nADD --checksum=x https://x/y z /a/': /checksum can't be specified for multiple sources/,
    'FROM busybox\nADD https://x/y.git#--upload-pack=z z': /"--upload-pack=z" is no ref/,
    'FROM busybox\nSTOPSIGNAL FOO': /invalid signal: FOO/,
    'FROM busybox\nENV A=${B?gone}': /B: gone/,
  }
  for (const [text, message] of Object.entries(cases))
    await assert.rejects(run(text), (error: Error) => {
      assert.equal(error.name, 'BuildError', text)
      assert.match(error.message, message, text)
      return true
    })
})
