import assert from 'node:assert/strict'
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { command, missing, root, system, type ClientName } from '../harness.ts'

export function buildScenarios(client: ClientName): void {
  suite(`build, through ${client}`, { skip: missing(client) }, () => {
    const s = system(client)
    const plain = client === 'gantry' ? ['--progress=plain'] : []

    const build = (folder: string, ...flags: string[]) => s.run(['build', ...plain, ...flags, folder])
    async function built(folder: string, ...flags: string[]): Promise<string> {
      const result = await build(folder, ...flags)
      assert.equal(result.code, 0, `${result.stdout}${result.stderr}`)
      return result.stdout + result.stderr
    }
    const lines = (...text: string[]) => text.join('\n') + '\n'
    const cached = client === 'gantry' ? /CACHED/ : /Using cache/

    test('hello-web builds and serves', async () => {
      await built(join(root, 'examples/hello-web'), '-t', 'hello-web')
      assert.equal(
        await s.ok(
          'image',
          'inspect',
          '--format',
          '{{.Config.User}} {{.Config.WorkingDir}} {{json .Config.ExposedPorts}}',
          'hello-web',
        ),
        'web /srv/www {"8080/tcp":{}}',
      )
      await s.ok('run', '-d', '--name', 'hw', 'hello-web')
      const page = await s.ok(
        'exec',
        'hw',
        'sh',
        '-c',
        'for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - localhost:8080 && break; sleep 0.1; done',
      )
      assert.match(page, /It works/)
      assert.equal(await s.ok('exec', 'hw', 'id', '-un'), 'web')
    })

    test('every instruction leaves its mark', async () => {
      const folder = s.folder({
        Dockerfile: lines(
          'ARG BASE=busybox',
          'FROM $BASE AS base',
          'ARG VERSION=1',
          'ENV A=1 B="two words"',
          'ENV C=${A}x',
          'LABEL one=1 "two.x"="2 3"',
          'WORKDIR /srv',
          'WORKDIR app',
          'COPY one.txt two.txt ./',
          'COPY --chown=33:99 dir /srv/dir/',
          'ADD one.txt /added',
          'RUN echo "$VERSION $C" > version && pwd > where',
          'SHELL ["/bin/sh", "-ec"]',
          'RUN echo shell > shell',
          'EXPOSE 80 53/udp',
          'VOLUME /data',
          'USER 33:99',
          'STOPSIGNAL SIGUSR1',
          'HEALTHCHECK --interval=30s --retries=2 CMD true',
          'ENTRYPOINT ["sh", "-c"]',
          'CMD ["cat version where shell one.txt /added; stat -c %u:%g /srv/dir/three; echo $B"]',
        ),
        'one.txt': 'one\n',
        'two.txt': 'two\n',
        'dir/three': 'three\n',
      })
      await built(folder, '-t', 'marks', '--build-arg', 'VERSION=7')
      assert.equal(await s.ok('run', '--rm', 'marks'), '7 1x\n/srv/app\nshell\none\none\n33:99\ntwo words')
      const [{ Config }] = JSON.parse(await s.ok('image', 'inspect', 'marks')) as [
        { Config: Record<string, unknown> },
      ]
      assert.deepEqual(Config['Labels'], { one: '1', 'two.x': '2 3' })
      assert.deepEqual(Config['ExposedPorts'], { '80/tcp': {}, '53/udp': {} })
      assert.deepEqual(Config['Volumes'], { '/data': {} })
      assert.deepEqual(
        [Config['User'], Config['StopSignal'], Config['WorkingDir']],
        ['33:99', 'SIGUSR1', '/srv/app'],
      )
      assert.deepEqual(Config['Healthcheck'], {
        Test: ['CMD-SHELL', 'true'],
        Interval: 30_000_000_000,
        Retries: 2,
      })
    })

    test('the second build is cached; a changed file re-runs what follows its COPY', async () => {
      const folder = s.folder({
        Dockerfile: lines('FROM busybox', 'RUN echo early > /early', 'COPY app /app', 'RUN cp /app /late'),
        app: '1\n',
      })
      await built(folder, '-t', 'cache')
      const first = await s.ok('images', '-q', '--no-trunc', 'cache')
      const again = await built(folder, '-t', 'cache')
      assert.equal(again.match(new RegExp(cached, 'g'))?.length, 3, again)
      assert.equal(await s.ok('images', '-q', '--no-trunc', 'cache'), first)
      writeFileSync(join(folder, 'app'), '2\n')
      const changed = await built(folder, '-t', 'cache')
      assert.equal(changed.match(new RegExp(cached, 'g'))?.length, 1, changed)
      assert.equal(await s.ok('run', '--rm', 'cache', 'cat', '/late'), '2')
      const fresh = await built(folder, '-t', 'cache', '--no-cache')
      assert.doesNotMatch(fresh, cached)
    })

    test('stages: COPY --from, --target, scratch; nothing of the first stage reaches the image', async () => {
      const folder = s.folder({
        Dockerfile: lines(
          'from busybox as builder',
          'RUN mkdir /out && echo made > /out/main && echo source > /source',
          'FROM scratch AS bare',
          'COPY --from=builder /out/ /',
          'COPY --from=busybox /bin/busybox /bin/cat',
          'FROM bare',
          'CMD ["/bin/cat", "/main"]',
        ),
      })
      await built(folder, '-t', 'stages')
      assert.equal(await s.ok('run', '--rm', 'stages'), 'made')
      assert.notEqual((await s.run(['run', '--rm', 'stages', '/bin/cat', '/source'])).code, 0)
      await built(folder, '-t', 'first', '--target', 'builder')
      assert.equal(await s.ok('run', '--rm', 'first', 'cat', '/source'), 'source')
    })

    test('.dockerignore keeps files out', async () => {
      const folder = s.folder({
        Dockerfile: lines(
          'FROM busybox',
          'COPY . /ctx',
          'CMD ["sh", "-c", "cd /ctx; find . -type f | sort"]',
        ),
        '.dockerignore': lines(
          '# comment',
          'node_modules',
          '*.log',
          '!keep.log',
          '.git',
          'Dockerfile',
          '.dockerignore',
          '**/*.tmp',
        ),
        'a.js': '1',
        'x.log': '1',
        'keep.log': '1',
        '.git/HEAD': '1',
        'node_modules/m/index.js': '1',
        'sub/b.tmp': '1',
        'sub/b.js': '1',
      })
      await built(folder, '-t', 'ignore')
      assert.equal(await s.ok('run', '--rm', 'ignore'), './a.js\n./keep.log\n./sub/b.js')
    })

    test('-f, a Dockerfile on stdin, -q, --iidfile', async () => {
      const folder = s.folder({ 'other/Custom': lines('FROM busybox', 'COPY f /f'), f: 'x' })
      const quiet = await s.run(['build', '-q', '-f', join(folder, 'other/Custom'), folder])
      assert.match(quiet.stdout, /^sha256:[0-9a-f]{64}\n$/, quiet.stderr)
      const stdin = await s.run(['build', ...plain, '-t', 'stdin', '-f', '-', folder], {
        input: 'FROM busybox\nCOPY f /stdin\n',
      })
      assert.equal(stdin.code, 0, stdin.stderr)
      assert.equal(await s.ok('run', '--rm', 'stdin', 'cat', '/stdin'), 'x')
      await built(folder, '-f', join(folder, 'other/Custom'), '--iidfile', join(folder, 'id'))
    })

    test('symlinks and modes are copied as they are', async () => {
      const folder = s.folder({
        Dockerfile: lines('FROM busybox', 'COPY d /d'),
        'd/run.sh': '#!/bin/sh\necho ran\n',
      })
      chmodSync(join(folder, 'd/run.sh'), 0o755)
      symlinkSync('run.sh', join(folder, 'd/link'))
      await built(folder, '-t', 'modes')
      assert.equal(
        await s.ok('run', '--rm', 'modes', 'sh', '-c', 'readlink /d/link; /d/link; stat -c %a%u /d/run.sh'),
        'run.sh\nran\n7550',
      )
    })

    test('ADD unpacks a local archive, COPY does not', async () => {
      const folder = s.folder({
        Dockerfile: lines('FROM busybox', 'ADD a.tar.gz /add/', 'COPY a.tar.gz /copy/'),
      })
      writeFileSync(join(folder, 'in'), 'packed\n')
      await command(['tar', 'czf', 'a.tar.gz', 'in'], { cwd: folder })
      await built(folder, '-t', 'add')
      assert.equal(await s.ok('run', '--rm', 'add', 'sh', '-c', 'cat /add/in; ls /copy'), 'packed\na.tar.gz')
    })

    test('RUN has the network and no more rights than a container', async () => {
      const folder = s.folder({
        Dockerfile: lines(
          'FROM busybox',
          'RUN ip route | grep -q default',
          'RUN ! mount -t tmpfs x /mnt 2>/dev/null',
        ),
      })
      await built(folder)
    })

    const failures: [title: string, dockerfile: string[], text: RegExp, gantry: RegExp][] = [
      [
        'an unknown instruction',
        ['FROM busybox', 'FORM x'],
        /unknown instruction: FORM/i,
        /Dockerfile:2[^]*\^/,
      ],
      [
        'a failing RUN',
        ['FROM busybox', 'RUN exit 3'],
        /returned a non-zero code: 3|exit code: 3/,
        /Dockerfile:2[^]*RUN exit 3/,
      ],
      [
        'a missing file',
        ['FROM busybox', 'COPY nosuch /'],
        /nosuch.*(not found|no such file)|file not found.*nosuch/i,
        /Dockerfile:2/,
      ],
      ['an unknown base', ['FROM nosuch:1'], /nosuch/, /Dockerfile:1/],
      ['an unknown stage', ['FROM busybox', 'COPY --from=nosuch:1 /a /b'], /nosuch/, /Dockerfile:2/],
      ['no FROM', ['RUN true'], /no build stage in current context/i, /Dockerfile:1/],
      ['a comment behind an instruction', ['FROM busybox # the base'], /./, /comment/i],
      ['a way out of the context', ['FROM busybox', 'COPY ../x /'], /./, /Dockerfile:2/],
    ]
    for (const [title, dockerfile, text, gantry] of failures)
      test(`error: ${title}`, async () => {
        const result = await build(s.folder({ Dockerfile: lines(...dockerfile) }), '-t', 'broken')
        assert.notEqual(result.code, 0, result.stdout)
        const all = result.stdout + result.stderr
        assert.match(all, text)
        if (client === 'gantry') assert.match(all, gantry)
        assert.equal(await s.ok('images', '-q', 'broken'), '')
      })

    test('an unknown --target and a missing Dockerfile are named', async () => {
      const folder = s.folder({ Dockerfile: lines('FROM busybox AS one') })
      const target = await build(folder, '--target', 'two')
      assert.notEqual(target.code, 0)
      assert.match(target.stdout + target.stderr, /two/)
      const none = await build(s.folder({ a: 'b' }))
      assert.notEqual(none.code, 0)
      assert.match(none.stdout + none.stderr, /Dockerfile/)
    })
  })
}
