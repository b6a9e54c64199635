import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, finished, missing, system, type ClientName } from '../harness.ts'

const loop = 'while :; do sleep 0.1; done'

export function lifecycleScenarios(client: ClientName): void {
  suite(`lifecycle, logs and exec, through ${client}`, { skip: missing(client) }, () => {
    const s = system(client)
    const up = (name: string, ...rest: string[]) =>
      s.ok('run', '-d', '--name', name, ...(rest.length > 0 ? rest : ['busybox', 'sleep', '1000']))
    const state = (name: string) => s.ok('inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', name)

    test('stop sends SIGTERM and the exit code is the handler’s', async () => {
      await up('term', 'busybox', 'sh', '-c', `trap 'exit 3' TERM; ${loop}`)
      assert.equal(await s.ok('stop', 'term'), 'term')
      assert.equal(await state('term'), 'exited 3')
    })

    test('stop of a process without a handler does not wait ten seconds', async () => {
      await up('deaf')
      const started = Date.now()
      await s.ok('stop', 'deaf')
      assert.equal(await state('deaf'), 'exited 137')
      assert.ok(Date.now() - started < 5000, `${Date.now() - started} ms`)
    })

    test('stop reaches what runs under an init process', async () => {
      await up('init', '--init', 'busybox', 'sh', '-c', `trap 'exit 9' TERM; ${loop}`)
      await s.ok('stop', 'init')
      assert.equal(await state('init'), 'exited 9')
      await up('plain', '--init', 'busybox', 'sleep', '100')
      await s.ok('stop', 'plain')
      assert.equal(await state('plain'), 'exited 143')
    })

    test('stop -t kills a process that ignores the signal', async () => {
      await up('stubborn', 'busybox', 'sh', '-c', `trap '' TERM; ${loop}`)
      await s.ok('stop', '-t', '1', 'stubborn')
      assert.equal(await state('stubborn'), 'exited 137')
    })

    test('stop uses --stop-signal', async () => {
      await up('usr', '--stop-signal', 'SIGUSR1', 'busybox', 'sh', '-c', `trap 'exit 8' USR1; ${loop}`)
      await s.ok('stop', 'usr')
      assert.equal(await state('usr'), 'exited 8')
    })

    test('kill, kill -s', async () => {
      await up('k1')
      await s.ok('kill', 'k1')
      await eventually(async () => assert.equal(await state('k1'), 'exited 137'))
      await up('k2', 'busybox', 'sh', '-c', `trap 'exit 4' HUP; ${loop}`)
      await s.ok('kill', '-s', 'HUP', 'k2')
      assert.equal(await s.ok('wait', 'k2'), '4')
      await s.fails(1, /is not running/, 'kill', 'k2')
    })

    test('start again keeps what was written; restart makes a new process', async () => {
      await up('again', 'busybox', 'sh', '-c', 'echo x >> /count; wc -l < /count; sleep 1000')
      await s.ok('stop', '-t', '0', 'again')
      assert.equal(await s.ok('start', 'again'), 'again')
      await s.ok('restart', '-t', '0', 'again')
      await eventually(async () => assert.equal(await s.ok('logs', 'again'), '1\n2\n3'))
      assert.equal(await s.ok('exec', 'again', 'cat', '/count'), 'x\nx\nx')
    })

    test('pause stops it, unpause lets it go on', async () => {
      await up('pause')
      await s.ok('pause', 'pause')
      assert.equal(await s.ok('ps', '--filter', 'status=paused', '--format', '{{.Names}}'), 'pause')
      await s.fails(1, /is paused/, 'exec', 'pause', 'true')
      await s.ok('unpause', 'pause')
      assert.equal(await s.ok('exec', 'pause', 'echo', 'on'), 'on')
    })

    test('rename; the old name is free', async () => {
      const id = await up('old')
      await s.ok('rename', 'old', 'new')
      assert.equal(await s.ok('inspect', '--format', '{{.Id}}', 'new'), id)
      await s.fails(1, /No such container: old/i, 'inspect', '--type', 'container', 'old')
      await up('old')
    })

    test('wait gives the exit code, at once for what has ended', async () => {
      await up('ww', 'busybox', 'sh', '-c', 'sleep 0.3; exit 12')
      assert.equal(await s.ok('wait', 'ww'), '12')
      assert.equal(await s.ok('wait', 'ww'), '12')
    })

    test('rm refuses a running container', async () => {
      await up('busy')
      await s.fails(
        1,
        /container is running: stop the container before removing or force remove/,
        'rm',
        'busy',
      )
      await s.ok('rm', '-f', 'busy')
      await s.fails(1, /No such container: busy/, 'rm', 'busy')
    })

    test('top lists the processes of the container alone', async () => {
      await up('top')
      const text = await s.ok('top', 'top')
      assert.match(text, /^UID\s+PID\s.*CMD\n/)
      assert.equal(text.split('\n').length, 2)
      assert.match(text, /sleep 1000/)
    })

    test('ids: any unique beginning', async () => {
      const id = await up('byid')
      assert.equal(await s.ok('inspect', '--format', '{{.Name}}', id.slice(0, 12)), '/byid')
      assert.equal(await s.ok('inspect', '--format', '{{.Name}}', id.slice(0, 6)), '/byid')
    })

    test('ps -a shows what ran and how it ended', async () => {
      await s.run(['run', '--name', 'done', 'busybox', 'sh', '-c', 'exit 3'])
      const line = await s.ok('ps', '-a', '--format', '{{.Names}}|{{.Image}}|{{.Command}}|{{.Status}}')
      assert.match(line, /^done\|busybox\|"sh -c 'exit 3'"\|Exited \(3\) /)
    })

    test('logs: both streams, --tail, --since, --until, -t', async () => {
      await s.run([
        'run',
        '--name',
        'log',
        'busybox',
        'sh',
        '-c',
        'for i in 1 2 3; do echo out$i; done; echo err >&2; printf tail',
      ])
      const whole = await s.run(['logs', 'log'])
      assert.deepEqual([whole.stdout, whole.stderr], ['out1\nout2\nout3\ntail', 'err\n'])
      assert.match((await s.run(['logs', '--tail', '2', 'log'])).stdout, /^(out3\n)?tail$/)
      assert.equal((await s.run(['logs', '--tail', '0', 'log'])).stdout, '')
      const stamped = await s.ok('logs', '-t', 'log')
      const stamps = stamped.split('\n').map((line) => /^(\S+Z) /.exec(line)?.[1] ?? '')
      for (const stamp of stamps) assert.match(stamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
      assert.equal((await s.run(['logs', '--since', '1h', 'log'])).stdout, whole.stdout)
      assert.equal((await s.run(['logs', '--until', '1h', 'log'])).stdout, '')
      assert.equal((await s.run(['logs', '--since', stamps[0] ?? '', 'log'])).stdout, whole.stdout)
    })

    test('logs -f goes on while the container runs, and ends with it', async () => {
      await up('follow', 'busybox', 'sh', '-c', 'for i in 1 2 3 4 5; do echo line$i; sleep 0.1; done')
      const { stdout, code } = await s.run(['logs', '-f', 'follow'])
      assert.deepEqual([stdout, code], ['line1\nline2\nline3\nline4\nline5\n', 0])
    })

    test('logs -f --tail 1 of a quiet container shows the last line, then new ones', async () => {
      await up('quiet', 'busybox', 'sh', '-c', `echo a; echo b; trap 'echo c; exit' TERM; ${loop}`)
      await eventually(async () => assert.equal(await s.ok('logs', 'quiet'), 'a\nb'))
      const child = s.spawn(['logs', '-f', '--tail', '1', 'quiet'])
      const ended = finished(child, 'logs -f')
      await sleep(300)
      await s.ok('stop', 'quiet')
      assert.equal((await ended).stdout, 'b\nc\n')
    })

    test('logs of a container that wrote a lot in one go are whole', async () => {
      await s.ok('run', '-d', '--name', 'many', 'busybox', 'seq', '100000')
      await s.ok('wait', 'many')
      const { stdout } = await s.run(['logs', 'many'])
      assert.equal(stdout, Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join(''))
    })

    test('logs keeps a line longer than a pipe whole', async () => {
      await s.run([
        'run',
        '--name',
        'long',
        'busybox',
        'sh',
        '-c',
        'head -c 100000 /dev/zero | tr "\\0" x; echo; echo end',
      ])
      assert.equal((await s.run(['logs', 'long'])).stdout, `${'x'.repeat(100_000)}\nend\n`)
      assert.equal((await s.run(['logs', '--tail', '1', 'long'])).stdout, 'end\n')
    })

    const execs: [title: string, args: string[], code: number, stdout: string | RegExp][] = [
      ['runs a command', ['xx', 'echo', 'hi'], 0, 'hi\n'],
      ['gives its exit code', ['xx', 'sh', '-c', 'exit 9'], 9, ''],
      [
        '-e, -w, -u',
        ['-e', 'A=1', '-w', '/tmp', '-u', '33', 'xx', 'sh', '-c', 'echo $A $PWD $(id -u)'],
        0,
        '1 /tmp 33\n',
      ],
      ['has the environment of the container', ['xx', 'sh', '-c', 'echo $SET'], 0, 'by run\n'],
      ['127 for what is not there', ['xx', 'nosuch'], 127, /.*/],
      ['126 for what is no program', ['xx', '/etc/passwd'], 126, /.*/],
      ['128 + signal', ['xx', 'sh', '-c', 'kill -9 $$'], 137, ''],
      ['--privileged', ['--privileged', 'xx', 'grep', 'CapEff', '/proc/self/status'], 0, /0000003f|000001ff/],
    ]
    for (const [title, args, code, stdout] of execs)
      test(`exec ${title}`, async () => {
        await up('xx', '-e', 'SET=by run', 'busybox', 'sleep', '1000')
        const result = await s.run(['exec', ...args])
        assert.equal(result.code, code, result.stderr)
        if (typeof stdout === 'string') assert.equal(result.stdout, stdout)
        else assert.match(result.stdout, stdout)
      })

    test('exec -d returns at once and the command runs on', async () => {
      await up('bg')
      await s.ok('exec', '-d', 'bg', 'sh', '-c', 'sleep 0.2; echo done > /tmp/f')
      await eventually(async () => assert.equal(await s.ok('exec', 'bg', 'cat', '/tmp/f'), 'done'))
    })

    test('exec in a container that does not run is refused', async () => {
      await s.ok('create', '--name', 'still', 'busybox', 'sleep', '1')
      await s.fails(1, /container .* is not running/i, 'exec', 'still', 'true')
      await s.fails(1, /No such container: nosuch/, 'exec', 'nosuch', 'true')
    })

    test('exec output stays apart and is whole', async () => {
      await up('big')
      const result = await s.run(['exec', 'big', 'sh', '-c', 'seq 50000; echo err >&2'])
      assert.equal(
        result.stdout.length,
        Array.from({ length: 50_000 }, (_, i) => `${i + 1}\n`).join('').length,
      )
      assert.equal(result.stderr, 'err\n')
    })

    test('exec processes end with their container', async () => {
      await up('ends')
      const child = s.spawn(['exec', 'ends', 'sleep', '1000'])
      const ended = finished(child, 'exec')
      await eventually(async () => assert.match(await s.ok('top', 'ends'), /sleep 1000\n[^]*sleep 1000/))
      await s.ok('rm', '-f', 'ends')
      assert.equal((await ended).code, 137)
    })
  })
}
