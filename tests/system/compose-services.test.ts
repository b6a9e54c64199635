/** What people do with the services of a Compose project besides bringing it up and down. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { eventually, finished, missing, system, type Result } from './harness.ts'
import { RegistryServer } from './registry-server.ts'

suite('services of a Compose project', { skip: missing('gantry') }, () => {
  const s = system('gantry')
  let count = 0

  /** A folder of its own with these files; its name is the project's. */
  function project(files: Record<string, string>) {
    const name = `demo${count++}`
    const folder = join(s.daemon.home, name)
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    for (const [path, text] of Object.entries(files)) write(path, text)
    const run = (args: readonly string[], o: { input?: string; env?: Record<string, string> } = {}) =>
      s.run(['compose', '--project-directory', folder, '-f', join(folder, 'compose.yaml'), ...args], o)
    const ok = async (...args: string[]) => {
      const result = await run(args)
      assert.equal(result.code, 0, about(args, result))
      return result.stdout
    }
    const spawn = (...args: string[]) =>
      s.spawn(['compose', '--project-directory', folder, '-f', join(folder, 'compose.yaml'), ...args])
    return { name, folder, write, run, ok, spawn }
  }

  const about = (args: readonly string[], { code, stdout, stderr }: Result) =>
    `compose ${args.join(' ')}: ${code}\n${stderr}${stdout}`

  test('build makes the images of services, those that are contexts of others first', async () => {
    const p = project({
      'compose.yaml': `services:
  web:
    image: web:1
    build:
      context: app
      args: {WORD: "\${WORD}"}
      secrets: [{source: token, target: tok}]
      additional_contexts: {base: "service:base"}
      tags: [web:2]
  base:
    build: {context: app, dockerfile_inline: "FROM busybox\\nRUN echo base > /base\\n"}
  stock: {image: busybox}
secrets: {token: {environment: TOKEN}}
`,
      '.env': 'WORD=from-dotenv\nTOKEN=secret-of-dotenv\n',
      'app/Dockerfile': `FROM busybox
ARG WORD
RUN --mount=type=secret,id=tok echo $WORD $(wc -c < /run/secrets/tok) > /word
COPY --from=base /base /base
`,
    })
    const built = await p.run(['build'])
    assert.equal(built.code, 0, about(['build'], built))
    assert.match(built.stderr, /\[web [^\]]*\] RUN --mount/)
    assert.match(built.stderr, /web:1 +Built/)
    assert.doesNotMatch(built.stderr + built.stdout, /secret-of-dotenv/)
    assert.equal(await s.ok('run', '--rm', 'web:2', 'cat', '/word', '/base'), 'from-dotenv 16\nbase')
    const labels = await s.ok('image', 'inspect', '-f', '{{json .Config.Labels}}', 'web:1')
    assert.match(labels, new RegExp(`"com.docker.compose.project":"${p.name}"`))
    const quiet = await p.run(['build', '-q', 'web'])
    assert.deepEqual([quiet.code, quiet.stdout, quiet.stderr], [0, '', ''])
    const { target } = JSON.parse(await p.ok('build', '--print')) as { target: Record<string, object> }
    assert.deepEqual(Object.keys(target), ['base', 'web'])
    p.write('app/Dockerfile', 'FROM busybox\nRUN echo reason; exit 3\n')
    const failed = await p.run(['build', 'web'])
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /reason\n[^]*ERROR: target web: .*exit code: 3/)
  })

  test('as many images are built at once as COMPOSE_PARALLEL_LIMIT says', async () => {
    const alone = (word: string, from = 'busybox') =>
      `FROM ${from}\\nRUN --mount=type=cache,target=/c mkdir /c/busy && sleep 0.3 && rmdir /c/busy # ${word}\\n`
    const p = project({
      'compose.yaml': `services:
  last:
    build: {dockerfile_inline: "${alone('last', 'base')}", additional_contexts: {base: "service:first"}}
  first: {build: {dockerfile_inline: "${alone('first')}"}}
  other: {build: {dockerfile_inline: "${alone('other')}"}}
`,
    })
    const built = await p.run(['build'], { env: { COMPOSE_PARALLEL_LIMIT: '1' } })
    assert.equal(built.code, 0, about(['build'], built))
  })

  test('images go to a registry and come from it, and are pinned to what it has', async () => {
    const registry = await RegistryServer.start(`--storage=${join(s.daemon.home, 'registry')}`)
    const image = `${registry.host}/team/app:1`
    const p = project({
      'compose.yaml': `services:
  app: {image: "${image}", build: .}
  same: {image: "${image}"}
  local: {image: busybox, pull_policy: never}
  gone: {image: "${registry.host}/team/gone:1"}
  made: {image: "${registry.host}/team/made:1", build: .}
`,
      Dockerfile: 'FROM busybox\nRUN echo app > /app\n',
    })
    const of = async (...args: string[]) => {
      const result = await p.run(args)
      assert.equal(result.code, 0, about(args, result))
      return result.stderr
    }
    await of('build', '-q', 'app')
    assert.match(await of('push', 'app'), new RegExp(`${image} +Pushed\n`))
    const pinned = await p.ok('config', '--lock-image-digests', '--no-consistency', 'app')
    assert.match(pinned, /^services:\n {2}app:\n {4}image: .*\/team\/app:1@sha256:[0-9a-f]{64}\n$/)
    await s.ok('rmi', image)
    const pulled = await of('pull', 'app', 'same', 'local')
    assert.match(pulled, / same +Skipped Image is already being pulled by app\n/)
    assert.match(pulled, / local +Skipped\n/)
    assert.match(pulled, / [0-9a-f]{12} +(?:Already exists|Pull complete)\n[^]* app +Pulled\n/)
    const again = await of('pull', '--policy', 'missing', '--ignore-buildable', 'app', 'same')
    assert.match(again, / app +Skipped Image can be built\n/)
    assert.match(again, / same +Skipped Image is already present locally\n/)
    const failed = await p.run(['pull', 'gone'])
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, / gone +Error .*team\/gone.*\n/)
    assert.match(await of('pull', '--ignore-pull-failures', 'gone'), / gone +Error /)
    assert.match(await of('pull', 'made'), /must be built from source.*\n.*compose build made/)
    await registry.stop()
  })

  test('logs are in order of time, and follow restarts and newcomers without losing a line', async () => {
    // Each life of a container says which one it is, and counts.
    const life = 'n=$$(cat /n 2>/dev/null || echo 0); n=$$((n+1)); echo $$n > /n'
    const p = project({
      'compose.yaml': `services:
  a:
    image: busybox
    init: true
    command: sh -c '${life}; for i in 1 2 3 4 5; do echo "$$n-$$i"; done; exec sleep 1000'
  b: {image: busybox, init: true, command: "sh -c 'sleep 0.3; echo late; echo wrong >&2; exec sleep 1000'"}
`,
    })
    await p.ok('up', '-d')
    await eventually(async () => assert.match(await p.ok('logs'), /wrong/))
    const lines = (text: string) => text.trimEnd().split('\n')
    assert.deepEqual(
      lines(await p.ok('logs')).slice(0, 5),
      [1, 2, 3, 4, 5].map((i) => `a-1  | 1-${i}`),
    )
    assert.equal(await p.ok('logs', '-n', '1', '--no-log-prefix', 'a'), '1-5\n')
    assert.match(await p.ok('logs', '-t', 'b'), /^b-1 {2}\| \d{4}-\d\d-\d\dT[\d:.]+Z late\n/)
    assert.ok((await p.ok('--ansi', 'always', 'logs', 'a')).startsWith('\x1b[36ma-1  | \x1b[0m'))
    assert.match((await p.run(['logs', 'nosuch'])).stderr, /no such service: nosuch/)
    const following = p.spawn('logs', '-f', 'a')
    const ended = finished(following, 'logs -f')
    let seen = ''
    following.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()))
    const see = (text: string) => eventually(() => assert.match(seen, new RegExp(text)))
    await see('1-5')
    for (const n of [2, 3]) {
      await p.ok('restart', '-t', '0', 'a')
      await see(`${n}-5`)
    }
    await p.ok('up', '-d', '--scale', 'a=2')
    await see('a-2 {2}\\| 1-5')
    await p.ok('stop', '-t', '0')
    const { code, stdout } = await ended
    assert.equal(code, 0)
    const first = lines(stdout).filter((line) => line.startsWith('a-1 '))
    const all = [1, 2, 3].flatMap((n) => [1, 2, 3, 4, 5].map((i) => `a-1  | ${n}-${i}`))
    assert.deepEqual(first, all)
  })

  test('services are entered, copied to and from, and looked at', async () => {
    const p = project({
      'compose.yaml': `services:
  web:
    image: busybox
    init: true
    command: sleep 1000
    ports: ["127.0.0.1::80"]
    volumes: [data:/data]
    scale: 2
volumes: {data: {}}
`,
      file: 'content\n',
    })
    await p.ok('up', '-d')
    assert.equal((await p.run(['exec', '-T', 'web', 'cat'], { input: 'typed' })).stdout, 'typed')
    assert.equal((await p.run(['exec', 'web', 'sh', '-c', 'exit 7'])).code, 7)
    assert.match((await p.run(['exec', '--index', '9', 'web', 'true'])).stderr, /not running container #9/)
    const where = await p.ok(
      'exec',
      '-w',
      '/tmp',
      '-e',
      'A=b',
      '-u',
      '1000',
      'web',
      'sh',
      '-c',
      'pwd; echo $A; id -u',
    )
    assert.equal(where, '/tmp\nb\n1000\n')
    await p.ok('cp', join(p.folder, 'file'), 'web:/data/../copied')
    for (const index of ['1', '2'])
      assert.equal(await p.ok('exec', '--index', index, 'web', 'cat', '/copied'), 'content\n')
    await p.ok('cp', 'web:/copied', join(p.folder, 'back'))
    assert.equal(readFileSync(join(p.folder, 'back'), 'utf8'), 'content\n')
    assert.match((await p.run(['cp', 'nosuch:/x', '.'])).stderr, /no container found for service "nosuch"/)
    const port = await p.ok('port', '--index', '2', 'web', '80')
    assert.match(port, /^127\.0\.0\.1:\d+\n$/)
    assert.match((await p.run(['port', 'web', '81'])).stderr, /no port 81\/tcp for container/)
    assert.match(await p.ok('top'), /^SERVICE +# +UID[^]*\nweb +1 +root/)
    assert.match(await p.ok('images'), new RegExp(`^CONTAINER[^]*\n${p.name}-web-1 +busybox +latest +linux/`))
    assert.equal(await p.ok('volumes', '-q', 'web'), `${p.name}_data\n`)
    assert.match(await p.ok('stats', '--no-stream'), new RegExp(` ${p.name}-web-2 `))
    const events = await p.ok('events', '--json', '--since', '1m', '--until', '0s')
    assert.match(events, /"action":"start","attributes":\{"image":"busybox"/)
    await p.ok('commit', '-c', 'CMD ["cat", "/copied"]', 'web', 'committed:1')
    assert.equal(await s.ok('run', '--rm', 'committed:1'), 'content')
    await p.ok('export', '-o', join(p.folder, 'fs.tar'), 'web')
    // By the project's name alone.
    assert.equal(await s.ok('compose', '-p', p.name, 'port', '--index', '2', 'web', '80'), port.trimEnd())
    await p.ok('down', '-v', '-t', '0')
  })

  test('run waits for what the service depends on, and is a container of its own', async () => {
    const p = project({
      'compose.yaml': `services:
  db:
    image: busybox
    init: true
    command: sh -c 'sleep 0.4; touch /ready; exec sleep 1000'
    healthcheck: {test: test -e /ready, interval: 100ms, retries: 100}
  app:
    image: busybox
    command: sleep 1000
    restart: always
    environment: {A: one, B: two}
    ports: ["80"]
    volumes: [data:/data]
    depends_on: {db: {condition: service_healthy}}
volumes: {data: {}}
`,
    })
    const first = await p.run([
      'run',
      '--rm',
      '-e',
      'A=1',
      'app',
      'sh',
      '-c',
      'echo $A $B; nslookup db >/dev/null; exit 4',
    ])
    assert.deepEqual([first.code, first.stdout], [4, '1 two\n'], first.stderr)
    assert.match(first.stderr, new RegExp(`${p.name}-db-1 +Healthy`))
    const echoed = await p.run(['run', '--rm', '--no-deps', '-T', 'app', 'wc', '-c'], { input: '12345' })
    assert.equal(echoed.stdout.trim(), '5')
    const words = [
      'run',
      '--rm',
      '-v',
      `${p.folder}:/given:ro`,
      '-u',
      '1000',
      '-w',
      '/tmp',
      '-l',
      'l=m',
      '--entrypoint',
      'sh -c',
      'app',
      'id -u; pwd; ls /given',
    ]
    assert.equal(await p.ok(...words), '1000\n/tmp\ncompose.yaml\n')
    const id = (await p.ok('run', '-d', '-p', '127.0.0.1:0:80', 'app', 'sleep', '1000')).trim()
    const { Name, Config, HostConfig } = await s.inspect<{
      Name: string
      Config: { Labels: Record<string, string> }
      HostConfig: { RestartPolicy: { Name: string }; PortBindings: object }
    }>(id)
    assert.match(Name, new RegExp(`^/${p.name}-app-run-[0-9a-f]{12}$`))
    assert.equal(Config.Labels['com.docker.compose.oneoff'], 'True')
    assert.ok(['', 'no'].includes(HostConfig.RestartPolicy.Name))
    assert.deepEqual(Object.keys(HostConfig.PortBindings), ['80/tcp'])
    assert.match((await p.run(['run', '-P', '-p', '80', 'app'])).stderr, /are incompatible/)
    assert.match((await p.run(['run', 'nosuch'])).stderr, /no such service: nosuch/)
    await s.ok('rm', '-f', id)
    await p.ok('down', '-v', '-t', '0')
  })

  test('run beside what runs: namespaces of others with --no-deps, and a command that ends before its hooks', async () => {
    const p = project({
      'compose.yaml': `
services:
  main: {image: busybox, init: true, command: [sleep, "1000"], expose: ["9000-9001", "nothing"], volumes: [/shared]}
  side: {image: busybox, network_mode: "service:main", volumes_from: [main], command: [sleep, "1000"], init: true}
  hooked: {image: busybox, post_start: [{command: [sleep, "0.3"], user: "1000:1000"}], network_mode: none}
`,
    })
    const refused = await p.run(['run', '--rm', '--no-deps', '-T', 'side', 'true'])
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /service "side" shares with service "main", which has no container/)
    await p.ok('up', '-d', 'main')
    // Ranges are what docker compose hands on, and not all of it is ports.
    assert.match(await s.ok('ps', '--format', '{{.Ports}}'), /^9000-9001\/tcp$/m)
    const main = await p.ok('exec', '-T', 'main', 'readlink', '/proc/1/ns/net')
    const beside = await p.run([
      'run',
      '--rm',
      '--no-deps',
      '-T',
      'side',
      'sh',
      '-c',
      'readlink /proc/self/ns/net; ls -d /shared',
    ])
    assert.deepEqual([beside.code, beside.stdout, beside.stderr], [0, `${main}/shared\n`, ''])
    await p.ok('up', '-d', '--no-deps', 'side')
    assert.equal(await p.ok('exec', '-T', 'side', 'readlink', '/proc/1/ns/net'), main)
    const short = await p.run(['run', '--rm', '-T', 'hooked', 'sh', '-c', 'exit 4'])
    assert.equal(short.code, 4, short.stderr)
    await p.ok('down', '-v', '-t', '0')
  })

  test('watch carries changed files into containers, restarts, runs commands and rebuilds', async () => {
    const p = project({
      'compose.yaml': `services:
  web:
    build: .
    init: true
    command: sleep 1000
    develop:
      watch:
        - {action: sync, path: src, target: /app, ignore: [tmp/], initial_sync: true}
        - {action: sync+restart, path: conf, target: /etc/conf}
        - {action: sync+exec, path: reload, target: /reload, exec: {command: "sh -c 'cat /reload/r > /told'"}}
        - {action: rebuild, path: package}
`,
      Dockerfile: 'FROM busybox\nCOPY package /package\n',
      package: 'v1\n',
      'src/a': 'a\n',
      'conf/c': 'c\n',
      'reload/x': 'x\n',
    })
    const watching = p.spawn('watch', '--quiet')
    const ended = finished(watching, 'watch')
    let seen = ''
    watching.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()))
    await eventually(() => assert.match(seen, /Watch enabled/), 20_000)
    const cat = async (path: string) => (await p.run(['exec', '-T', 'web', 'cat', path])).stdout
    const startedAt = async () =>
      (await s.inspect<{ State: { StartedAt: string } }>(`${p.name}-web-1`)).State.StartedAt
    assert.equal(await cat('/app/a'), 'a\n')
    p.write('src/new/folder/b', 'b\n')
    p.write('src/tmp/no', 'no\n')
    rmSync(join(p.folder, 'src/a'))
    await eventually(async () => assert.equal(await cat('/app/new/folder/b'), 'b\n'))
    await eventually(async () => assert.equal(await cat('/app/a'), ''))
    assert.equal(await cat('/app/tmp/no'), '')
    p.write('reload/r', 'told\n')
    await eventually(async () => assert.equal(await cat('/told'), 'told\n'))
    const before = await startedAt()
    p.write('conf/c', 'changed\n')
    await eventually(async () => assert.notEqual(await startedAt(), before))
    await eventually(async () => assert.equal(await cat('/etc/conf/c'), 'changed\n'))
    p.write('package', 'v2\n')
    await eventually(() => assert.match(seen, /successfully built/), 20_000)
    assert.equal(await cat('/package'), 'v2\n')
    watching.kill('SIGINT')
    assert.equal((await ended).code, 130)
    await p.ok('down', '-t', '0', '--rmi', 'all')
  })
})
