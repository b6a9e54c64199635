import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { command, eventually, finished, system, type Result } from '../system/harness.ts'
import { programs } from './compose-programs.ts'

const files = {
  'compose.yaml': `
services:
  web:
    build: {context: ., args: {WORD: built}}
    environment: {GREETING: "\${GREETING:-hello}", DB: db}
    depends_on:
      db: {condition: service_healthy}
      cache: {condition: service_started}
    ports: ["8000"]
    volumes: ["data:/data", "./site:/site:ro"]
    networks: {front: {aliases: [www]}, back: {}}
    restart: unless-stopped
  db:
    image: busybox
    init: true
    command: sh -c 'echo db up; mkdir /x; touch /ready; exec httpd -f -p 5432 -h /x'
    healthcheck: {test: "test -e /ready", interval: 1s, retries: 20}
    networks: [back]
    tmpfs: /run
    ulimits: {nofile: {soft: 1024, hard: 2048}}
    labels: {a.b: c}
  cache:
    image: busybox
    init: true
    command: sh -c 'echo cache up; sleep 1000'
    networks: [back]
    cap_drop: [NET_RAW]
    read_only: true
    extra_hosts: ["old:10.9.9.9"]
    mem_limit: 64m
networks:
  front: {}
  back: {internal: true, driver: bridge, labels: {x: y}}
volumes:
  data: {labels: {x: y}}
`,
  Dockerfile: `FROM busybox
ARG WORD
RUN mkdir -p /www && echo $WORD > /www/index.html
CMD ["sh", "-c", "echo web up $GREETING; trap 'exit 0' TERM; httpd -f -p 8000 -h /www & wait"]
`,
  'site/s.txt': 'site\n',
}

const found = programs()
if (found.length === 0)
  test('stock docker compose', { skip: 'no docker compose is installed' }, () => undefined)

for (const { argv, major, version } of found)
  suite(`docker compose ${version}`, () => {
    const s = system('docker')

    function folder(name: string): string {
      const path = join(s.daemon.home, name)
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(join(path, file, '..'), { recursive: true })
        writeFileSync(join(path, file), text)
      }
      return path
    }

    function compose(cwd: string, env: Record<string, string> = {}) {
      const run = (args: readonly string[], input = ''): Promise<Result> =>
        command([...argv, ...args], {
          cwd,
          input,
          timeout: 90_000,
          // Version 1 builds by the classic call; its other way needs a plugin of docker's.
          env: { ...s.daemon.environment(), DOCKER_BUILDKIT: major === 1 ? '0' : '1', ...env },
        })
      const ok = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await run(args)
        assert.equal(code, 0, `${[...argv, ...args].join(' ')}\n${stdout}${stderr}`)
        return stdout
      }
      return { run, ok }
    }

    // Each of its calls takes more than a second: one test, and no more calls than it needs.
    test(
      'version 1: build, up, exec, run, a changed variable, logs, down',
      { skip: major !== 1 },
      async () => {
        const cwd = folder('old')
        const { ok } = compose(cwd)
        await ok('up', '-d')
        assert.equal(await ok('exec', '-T', 'web', 'wget', '-qO-', 'http://www:8000/'), 'built\n')
        assert.equal(await ok('run', '--rm', '-T', '--no-deps', 'web', 'cat', '/site/s.txt'), 'site\n')
        await compose(cwd, { GREETING: 'bye' }).ok('up', '-d')
        assert.match(await ok('ps'), /old_db_1 .* Up \(healthy\)/)
        await eventually(async () => assert.match(await ok('logs', '--no-color', 'web'), /web up bye/))
        await ok('down', '-v')
        assert.deepEqual(await s.daemon.json('GET', '/containers/json?all=1'), [])
      },
    )

    test('build, up, ps, logs, exec, run, port, down of one project', { skip: major === 1 }, async () => {
      const cwd = folder('shop')
      const { run, ok } = compose(cwd)
      await ok('up', '-d')
      const id = (await ok('ps', '-q', 'web')).trim()
      assert.match(id, /^[0-9a-f]{64}$/)
      const { Name } = await s.inspect<{ Name: string }>(id)
      assert.equal(Name, '/shop-web-1')
      await eventually(async () => assert.match(await ok('logs', '--no-color', 'web'), /web up hello/))
      assert.equal(await ok('exec', '-T', 'web', 'wget', '-qO-', 'http://www:8000/'), 'built\n')
      const piped = await run(['exec', '-T', 'web', 'sh', '-c', 'cat; exit 3'], 'typed\n')
      assert.deepEqual([piped.code, piped.stdout], [3, 'typed\n'])
      assert.equal(await ok('run', '--rm', '-T', 'web', 'cat', '/site/s.txt'), 'site\n')
      const port = (await ok('port', 'web', '8000')).trim().replace('0.0.0.0', '127.0.0.1')
      assert.equal(await (await fetch(`http://${port}/`)).text(), 'built\n')
      assert.match(await ok('ps'), /\(healthy\)/)
      await ok('down', '-v', '--remove-orphans')
      assert.deepEqual(await s.daemon.json('GET', '/containers/json?all=1'), [])
      assert.deepEqual(
        (await s.daemon.json<{ Volumes: unknown[] | null }>('GET', '/volumes')).Volumes ?? [],
        [],
      )
    })

    test(
      'a second up changes nothing; a changed variable makes one service anew, with its volumes',
      { skip: major === 1 },
      async () => {
        const cwd = folder('again')
        const { ok } = compose(cwd)
        await ok('up', '-d')
        const ids = async () => (await ok('ps', '-q')).trim().split('\n').toSorted()
        const before = await ids()
        await ok('up', '-d')
        assert.deepEqual(await ids(), before)
        await ok('exec', '-T', 'web', 'sh', '-c', 'echo kept > /data/kept')
        await compose(cwd, { GREETING: 'bye' }).ok('up', '-d')
        const after = await ids()
        assert.equal(after.filter((id) => before.includes(id)).length, 2)
        await eventually(async () => assert.match(await ok('logs', '--no-color', 'web'), /web up bye/))
        assert.equal(await ok('exec', '-T', 'web', 'cat', '/data/kept'), 'kept\n')
        await ok('down', '-v')
      },
    )

    test('scale, restart, pause, kill, stop, start, rm', { skip: major === 1 }, async () => {
      const { ok } = compose(folder('life'))
      await ok('up', '-d', '--scale', 'cache=2')
      assert.equal((await ok('ps', '-q', 'cache')).trim().split('\n').length, 2)
      await ok('restart', 'web')
      await ok('pause', 'db')
      assert.match(await ok('ps', '-a'), /paused/i)
      await ok('unpause', 'db')
      await ok('kill', '-s', 'KILL', 'cache')
      await ok('stop')
      await ok('start', 'db', 'cache', 'web')
      await ok('rm', '-sf', 'cache')
      assert.equal((await ok('ps', '-aq', 'cache')).trim(), '')
      await ok('down', '-v')
    })

    // Seen with real Docker too: docker compose 2.26 ends its `up` there, 2.40 does not.
    const endsEarly = major === 1 || version.startsWith('2.26.')
    test('an attached up goes on when a service is restarted', { skip: endsEarly }, async () => {
      const cwd = folder('attached')
      const { ok } = compose(cwd)
      const [file, ...args] = [...argv, 'up', '--no-color', 'cache']
      const up = spawn(file, args, { cwd, env: s.daemon.environment(), stdio: 'pipe' })
      const over = finished(up, 'docker compose up', 60_000)
      let out = ''
      up.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
      const lines = (count: number) =>
        eventually(() => assert.equal(out.match(/cache up/g)?.length, count, out), 20_000)
      await lines(1)
      await ok('restart', 'cache')
      await lines(2)
      assert.equal(up.exitCode, null, out)
      await ok('stop')
      assert.equal((await over).code, 0)
      await ok('down', '-v')
    })

    test('cp both ways, ls, images, top', { skip: major === 1 }, async () => {
      const cwd = folder('files')
      const { ok } = compose(cwd)
      await ok('up', '-d', '--wait')
      writeFileSync(join(cwd, 'in'), 'copied\n')
      await ok('cp', 'in', 'web:/tmp/in')
      assert.equal(await ok('exec', '-T', 'web', 'cat', '/tmp/in'), 'copied\n')
      await ok('cp', 'web:/www', 'out')
      assert.equal(readFileSync(join(cwd, 'out/index.html'), 'utf8'), 'built\n')
      assert.match(await ok('ls'), /^files\s+running\(3\)/m)
      assert.match(await ok('images', 'web'), /files-web/)
      assert.match(await ok('top', 'web'), /httpd/)
      await ok('down', '-v', '--rmi', 'local')
    })
  })
