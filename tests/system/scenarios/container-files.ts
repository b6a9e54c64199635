import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { eventually, missing, system, type ClientName } from '../harness.ts'

/** Files to and from containers, images of containers, limits and figures of running ones. */
export function containerFilesScenarios(client: ClientName): void {
  suite(`files, images and limits of containers, through ${client}`, { skip: missing(client) }, () => {
    const s = system(client)
    const { daemon } = s
    const local = (...path: string[]) => join(daemon.home, ...path)
    const up = (name: string, ...flags: string[]) =>
      s.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '1000')
    const created = (name: string, ...flags: string[]) =>
      s.ok('create', '--name', name, ...flags, 'busybox', 'true')
    const sent = async (name: string, path: string) => (await s.run(['cp', `${name}:${path}`, '-'])).stdout

    test('cp follows docker’s rules of slashes and dots, both ways', async () => {
      mkdirSync(local('tree/sub'), { recursive: true })
      writeFileSync(local('tree/a.txt'), 'a\n', { mode: 0o640 })
      writeFileSync(local('tree/sub/b.txt'), 'b\n')
      symlinkSync('a.txt', local('tree/link'))
      await created('rules')
      await s.ok('cp', local('tree'), 'rules:/tmp')
      await s.ok('cp', local('tree/.'), 'rules:/tmp/flat')
      await s.ok('cp', local('tree/a.txt'), 'rules:/tmp/renamed')
      await s.ok('cp', '-L', local('tree/link'), 'rules:/tmp')
      await s.ok('cp', 'rules:/tmp/.', local('back'))
      assert.equal(readFileSync(local('back/tree/sub/b.txt'), 'utf8'), 'b\n')
      assert.equal(readlinkSync(local('back/tree/link')), 'a.txt')
      assert.equal(readFileSync(local('back/flat/a.txt'), 'utf8'), 'a\n')
      assert.equal(readFileSync(local('back/renamed'), 'utf8'), 'a\n')
      assert.equal(readFileSync(local('back/link'), 'utf8'), 'a\n')
      await s.ok('cp', 'rules:/tmp/renamed', local('one'))
      assert.equal(readFileSync(local('one'), 'utf8'), 'a\n')
      await s.fails(1, /no such directory/, 'cp', local('one'), 'rules:/tmp/none/')
      await s.fails(1, /cannot copy directory/, 'cp', local('tree'), 'rules:/tmp/renamed')
      await s.fails(
        1,
        // Docker's client up to 20.10 has words of its own for what is not there.
        /Could not find the file \/nowhere in container rules|No such container:path: rules:\/nowhere/,
        'cp',
        'rules:/nowhere',
        local('x'),
      )
      await s.fails(
        1,
        /No such container: nobody|No such container:path: nobody:\/etc/,
        'cp',
        'nobody:/etc',
        local('x'),
      )
    })

    test('cp reaches volumes and binds, running or not, and what is read-only stays so', async () => {
      writeFileSync(local('note'), 'hello\n')
      mkdirSync(local('bound'))
      const flags = ['-v', 'files:/data', '-v', `${local('bound')}:/bound`, '-v', `${local('bound')}:/ro:ro`]
      await up('live', ...flags)
      await s.ok('cp', local('note'), 'live:/data/note')
      assert.equal(await s.ok('exec', 'live', 'cat', '/data/note'), 'hello')
      await s.ok('cp', local('note'), 'live:/bound')
      assert.equal(readFileSync(local('bound/note'), 'utf8'), 'hello\n')
      await s.fails(1, /mounted volume is marked read-only/, 'cp', local('note'), 'live:/ro')
      await created('still', ...flags)
      assert.match(await sent('still', '/data/note'), /hello/)
      assert.match(await sent('still', '/bound'), /hello/)
      await created('locked', '--read-only', '-v', 'files:/data')
      await s.fails(1, /container rootfs is marked read-only/, 'cp', local('note'), 'locked:/tmp')
      await s.ok('cp', local('note'), 'locked:/data/again')
    })

    test('cp reaches the tmpfs of a running container', async () => {
      writeFileSync(local('secret'), 'kept in memory\n')
      await up('memory', '--tmpfs', '/run/x')
      await s.ok('cp', local('secret'), 'memory:/run/x/')
      assert.equal(await s.ok('exec', 'memory', 'cat', '/run/x/secret'), 'kept in memory')
      assert.match(await sent('memory', '/run/x/secret'), /kept in memory/)
    })

    test('cp takes a tar, gives copies to the user with -a, and is led nowhere by symlinks', async () => {
      writeFileSync(local('mine'), 'mine\n')
      await created('sink', '--user', '1234:55')
      const { stdout } = await s.run(['cp', 'sink:/etc/passwd', '-'])
      const taken = await s.run(['cp', '-', 'sink:/tmp'], { input: Buffer.from(stdout, 'latin1') })
      assert.equal(taken.code, 0, taken.stderr)
      await s.ok('cp', '-a', local('mine'), 'sink:/tmp/owned')
      await s.ok('start', '-a', 'sink')
      const { text } = await daemon.api('GET', '/containers/sink/archive?path=/tmp/owned')
      assert.equal(text.slice(108, 123), '0002322\x000000067')
      // A container's symlink that means the host's files means its own.
      await up('trap')
      await s.ok('exec', 'trap', 'ln', '-s', '/../../../../etc', '/tmp/etc')
      await s.ok('cp', local('mine'), 'trap:/tmp/etc/mine')
      assert.equal(await s.ok('exec', 'trap', 'cat', '/etc/mine'), 'mine')
    })

    test('a view of files is gone with the daemon that was killed', async () => {
      await up('kept', '-v', 'files2:/data')
      const cut = s.spawn(['cp', 'kept:/', '-'])
      cut.stdout.once('data', () => cut.stdout.pause())
      await new Promise((resolve) => cut.stdout.once('data', resolve))
      await daemon.killHard()
      cut.kill('SIGKILL')
      await daemon.start()
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      assert.ok(!mounts.includes(`${daemon.execRoot}/v/`))
      assert.match(await sent('kept', '/etc/passwd'), /root/)
    })

    test('a container that a commit had frozen when the daemon was killed goes on', async () => {
      await up('cold')
      await s.ok('exec', 'cold', 'sh', '-c', 'for i in $(seq 3000); do echo $i > /tmp/$i; done')
      const cut = s.spawn(['commit', 'cold', 'never:1'])
      await eventually(async () => {
        const { Id } = await s.inspect<{ Id: string }>('cold')
        assert.ok(existsSync(join(daemon.dataRoot, 'containers', Id, 'frozen')))
      })
      await daemon.killHard()
      cut.kill('SIGKILL')
      await daemon.start()
      assert.equal(await s.ok('inspect', '-f', '{{.State.Status}}', 'cold'), 'running')
      assert.equal(await s.ok('exec', 'cold', 'cat', '/tmp/3000'), '3000')
    })

    test('update changes limits at once and for the next start', async () => {
      await up('limited', '-m', '64m')
      const limit = async () =>
        (
          await daemon.json<{ memory_stats: { limit: number } }>(
            'GET',
            '/containers/limited/stats?stream=0&one-shot=1',
          )
        ).memory_stats.limit
      assert.equal(await limit(), 64 << 20)
      await s.ok(
        'update',
        '-m',
        '32m',
        '--memory-swap',
        '64m',
        '--cpus',
        '0.5',
        '--pids-limit',
        '50',
        'limited',
      )
      assert.equal(await limit(), 32 << 20)
      await s.ok('restart', '-t', '0', 'limited')
      assert.equal(await limit(), 32 << 20)
      assert.equal(
        await s.ok(
          'inspect',
          '-f',
          '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}',
          'limited',
        ),
        `${32 << 20} 500000000 50`,
      )
      await s.ok('update', '--pids-limit', '-1', 'limited')
      await s.fails(1, /Minimum memory limit allowed is 6MB/, 'update', '-m', '1m', 'limited')
      await s.fails(
        1,
        /CPU Quota cannot be updated as NanoCPUs has already been set/,
        'update',
        '--cpu-quota',
        '5000',
        'limited',
      )
      const { status, text } = await daemon.api('POST', '/containers/limited/update', { Ulimits: [{}] })
      assert.equal(status, 400)
      assert.match(text, /Ulimits cannot be updated/)
    })

    test('stats tells what a busy container uses', async () => {
      await s.ok('run', '-d', '--name', 'busy', '-m', '64m', 'busybox', 'sh', '-c', 'while :; do :; done')
      const row = await s.ok(
        'stats',
        '--no-stream',
        '--format',
        '{{.Name}};{{.CPUPerc}};{{.MemUsage}};{{.PIDs}};{{.NetIO}}',
        'busy',
      )
      const [name, cpu = '', memory = '', pids] = row.split(';')
      assert.equal(name, 'busy')
      assert.ok(Number.parseFloat(cpu) > 10, row)
      assert.match(memory, / \/ 64MiB$/)
      assert.equal(pids, '1')
      await created('idle')
      assert.match(await s.ok('stats', '--no-stream', '-a', '--format', '{{.Name}} {{.PIDs}}'), /^idle 0$/m)
      await s.fails(1, /No such container: nobody/, 'stats', '--no-stream', 'nobody')
    })

    test('commit, diff and export tell of what a container wrote', async () => {
      await s.ok(
        'run',
        '--name',
        'writer',
        '-v',
        '/data',
        'busybox',
        'sh',
        '-c',
        'echo new > /new; rm /etc/group',
      )
      const changes = await s.ok('diff', 'writer')
      assert.deepEqual(changes.split('\n').toSorted(), ['A /data', 'A /new', 'C /etc', 'D /etc/group'])
      const change = 'CMD ["cat","/new"]'
      const id = await s.ok('commit', '-a', 'me', '-m', 'noted', '-c', change, 'writer', 'written:1')
      assert.match(id, /^sha256:[0-9a-f]{64}$/)
      assert.equal(await s.ok('run', '--rm', 'written:1'), 'new')
      assert.equal(
        await s.ok('image', 'inspect', '-f', '{{.Author}} {{.Comment}} {{len .RootFS.Layers}}', 'written:1'),
        'me noted 2',
      )
      await s.fails(1, /.*/, 'run', '--rm', 'written:1', 'cat', '/etc/group')
      await s.ok('export', '-o', local('fs.tar'), 'writer')
      assert.ok(readFileSync(local('fs.tar')).includes('etc/passwd'))
    })
  })
}
