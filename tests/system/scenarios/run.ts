import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { missing, system, type ClientName } from '../harness.ts'

/** A flag of `run`, what is asked inside the container, and what must be seen there. */
interface Seen {
  readonly flags: readonly string[]
  readonly shell: string
  readonly want: string | RegExp
}

const limitOf = (v1: string, v2: string) => `cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}`

/** Every flag that shows inside. `@` stands for a fresh directory of the host that holds `file` with `from host`. */
const seen: Readonly<Record<string, Seen>> = {
  '-e K=V': { flags: ['-e', 'A=b c'], shell: 'echo "$A"', want: 'b c' },
  '-e K takes the value of the caller': {
    flags: ['-e', 'FROM_CALLER'],
    shell: 'echo $FROM_CALLER',
    want: 'yes',
  },
  '-e of an unset variable sets nothing': {
    flags: ['-e', 'NOT_SET'],
    shell: 'echo ${NOT_SET-unset}',
    want: 'unset',
  },
  '--env-file': { flags: ['--env-file', '@/env'], shell: 'echo $ONE $TWO', want: '1 two words' },
  'HOME and PATH are set': {
    flags: [],
    shell: 'echo $HOME; echo $PATH',
    want: '/root\n/usr/sbin:/usr/bin:/sbin:/bin',
  },
  '-w makes the directory': { flags: ['-w', '/new/dir'], shell: 'pwd', want: '/new/dir' },
  '-u uid:gid': { flags: ['-u', '1234:99'], shell: 'id -u; id -g', want: '1234\n99' },
  '-u name': { flags: ['-u', 'www-data'], shell: 'id -u; id -g; echo $HOME', want: '33\n33\n/var/www' },
  '--group-add': {
    flags: ['--group-add', '77', '--group-add', 'daemon'],
    shell: 'id -G',
    want: /\b77\b.*\b1\b|\b1\b.*\b77\b/,
  },
  '--hostname': {
    flags: ['--hostname', 'moon'],
    shell: 'hostname; grep -c moon /etc/hosts',
    want: 'moon\n1',
  },
  '-v host directory': {
    flags: ['-v', '@:/in'],
    shell: 'cat /in/file; echo new > /in/out',
    want: 'from host',
  },
  '-v host directory, ro': {
    flags: ['-v', '@:/in:ro'],
    shell: 'cat /in/file; touch /in/x 2>&1',
    want: /from host\n.*Read-only/,
  },
  '-v host file': { flags: ['-v', '@/file:/etc/one'], shell: 'cat /etc/one', want: 'from host' },
  '-v named volume': {
    flags: ['-v', 'data:/data'],
    shell: 'echo x > /data/f && grep -c " /data " /proc/self/mountinfo',
    want: '1',
  },
  '-v of an image directory copies it up': {
    flags: ['-v', 'copied:/etc'],
    shell: 'grep -c root: /etc/passwd',
    want: '1',
  },
  '--mount bind': {
    flags: ['--mount', 'type=bind,src=@,dst=/in,readonly'],
    shell: 'cat /in/file; touch /in/x 2>&1',
    want: /from host\n.*Read-only/,
  },
  '--mount volume': {
    flags: ['--mount', 'type=volume,src=vol,dst=/data'],
    shell: 'touch /data/x && ls /data',
    want: 'x',
  },
  '--mount tmpfs': {
    flags: ['--mount', 'type=tmpfs,dst=/t'],
    shell: 'grep " /t " /proc/self/mounts | cut -d" " -f3',
    want: 'tmpfs',
  },
  '--tmpfs with options': {
    flags: ['--tmpfs', '/run:size=1m,mode=1770'],
    shell: 'grep " /run " /proc/self/mounts; stat -c %a /run',
    want: /^tmpfs \/run tmpfs .*size=1024k.*\n1770$/,
  },
  '--network none': { flags: ['--network', 'none'], shell: 'ls /sys/class/net', want: 'lo' },
  '--network bridge': {
    flags: ['--network', 'bridge'],
    shell: 'ip -4 -o addr show eth0 | wc -l; ip route | grep -c default',
    want: '1\n1',
  },
  '--network host': {
    flags: ['--network', 'host'],
    shell: 'readlink /proc/self/ns/net',
    want: hostNamespace('net'),
  },
  '--init': { flags: ['--init'], shell: 'cat /proc/1/comm', want: /tini|init/ },
  'no init by default': { flags: [], shell: 'cat /proc/1/comm; true', want: 'sh' },
  '--read-only': {
    flags: ['--read-only'],
    shell: 'touch /x 2>&1; touch /tmp/x 2>&1',
    want: /Read-only[^]*Read-only/,
  },
  '--read-only leaves tmpfs writable': {
    flags: ['--read-only', '--tmpfs', '/tmp'],
    shell: 'touch /tmp/x && echo ok',
    want: 'ok',
  },
  '--memory': {
    flags: ['--memory', '64m'],
    shell: limitOf('memory/memory.limit_in_bytes', 'memory.max'),
    want: '67108864',
  },
  '--cpus': { flags: ['--cpus', '0.5'], shell: limitOf('cpu/cpu.cfs_quota_us', 'cpu.max'), want: /^50000/ },
  '--cpu-shares': {
    flags: ['--cpu-shares', '512'],
    shell: limitOf('cpu/cpu.shares', 'cpu.weight'),
    want: /^(512|20)$/,
  },
  '--pids-limit': { flags: ['--pids-limit', '77'], shell: limitOf('pids/pids.max', 'pids.max'), want: '77' },
  'default capabilities': { flags: [], shell: 'grep CapEff /proc/self/status', want: /00000000a80425fb/ },
  '--cap-add': {
    flags: ['--cap-add', 'NET_ADMIN'],
    shell: 'grep CapEff /proc/self/status; ip link set lo down && echo made',
    want: /a80435fb\nmade/,
  },
  '--cap-drop ALL': {
    flags: ['--cap-drop', 'ALL'],
    shell: 'grep CapEff /proc/self/status',
    want: /0000000000000000/,
  },
  '--cap-drop ALL --cap-add chown': {
    flags: ['--cap-drop', 'ALL', '--cap-add', 'chown'],
    shell: 'grep CapEff /proc/self/status',
    want: /0000000000000001/,
  },
  'a user other than root has none in effect': {
    flags: ['-u', '33'],
    shell: 'grep CapEff /proc/self/status',
    want: /0000000000000000/,
  },
  '--privileged': {
    flags: ['--privileged'],
    shell: 'mount -t tmpfs x /tmp && echo mounted; grep Seccomp: /proc/self/status',
    want: /mounted\nSeccomp:\t0/,
  },
  'seccomp is on': {
    flags: [],
    shell: 'grep Seccomp: /proc/self/status; unshare -m true 2>&1',
    want: /Seccomp:\t2\n.*not permitted/,
  },
  'no namespaces for those without rights': {
    flags: ['-u', '33'],
    shell: 'unshare -U true 2>&1',
    want: /not permitted/,
  },
  '--security-opt seccomp=unconfined': {
    flags: ['--security-opt', 'seccomp=unconfined'],
    shell: 'grep Seccomp: /proc/self/status',
    want: 'Seccomp:\t0',
  },
  '--security-opt no-new-privileges': {
    flags: ['--security-opt', 'no-new-privileges'],
    shell: 'grep NoNewPrivs /proc/self/status',
    want: 'NoNewPrivs:\t1',
  },
  'new privileges by default': {
    flags: [],
    shell: 'grep NoNewPrivs /proc/self/status',
    want: 'NoNewPrivs:\t0',
  },
  '--ulimit': { flags: ['--ulimit', 'nofile=512:1024'], shell: 'ulimit -Sn; ulimit -Hn', want: '512\n1024' },
  '--sysctl': {
    flags: ['--sysctl', 'net.ipv4.ip_default_ttl=65'],
    shell: 'cat /proc/sys/net/ipv4/ip_default_ttl',
    want: '65',
  },
  '--shm-size': {
    flags: ['--shm-size', '1m'],
    shell: 'grep " /dev/shm " /proc/self/mounts',
    want: /size=1024k/,
  },
  '--add-host': {
    flags: ['--add-host', 'far:10.9.8.7'],
    shell: 'grep far /etc/hosts',
    want: /^10\.9\.8\.7\s+far$/,
  },
  '--dns': {
    flags: ['--dns', '10.9.8.7', '--dns-search', 'example.org'],
    shell: 'cat /etc/resolv.conf',
    want: /search example\.org[^]*nameserver 10\.9\.8\.7|nameserver 10\.9\.8\.7[^]*search example\.org/,
  },
  '--device': {
    flags: ['--device', '/dev/null:/dev/nix'],
    shell: 'stat -c "%F %t %T" /dev/nix',
    want: 'character special file 1 3',
  },
  '--pid host': { flags: ['--pid', 'host'], shell: 'readlink /proc/self/ns/pid', want: hostNamespace('pid') },
  '--uts host': { flags: ['--uts', 'host'], shell: 'readlink /proc/self/ns/uts', want: hostNamespace('uts') },
  '--ipc host': { flags: ['--ipc', 'host'], shell: 'readlink /proc/self/ns/ipc', want: hostNamespace('ipc') },
  'namespaces of its own': {
    flags: [],
    shell: 'for n in net pid uts ipc mnt; do readlink /proc/self/ns/$n; done',
    want: notHostNamespaces(),
  },
  'masked paths': {
    flags: [],
    shell: 'wc -c < /proc/timer_list; cat /proc/keys; ls /sys/firmware',
    want: '0',
  },
  'read-only paths': { flags: [], shell: 'echo 1 > /proc/sys/kernel/panic; touch /sys/x', want: '' },
  '/dev has the usual devices and no others': {
    flags: [],
    shell: 'ls /dev',
    want: /^(core\n)?fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero$/,
  },
  '/dev/stdout can be opened again': { flags: [], shell: 'echo again > /dev/stdout', want: 'again' },
}

/** The same namespace as the host's. */
function hostNamespace(kind: string): RegExp {
  return new RegExp(`^${literal(readlinkSync(`/proc/self/ns/${kind}`))}$`)
}

function notHostNamespaces(): RegExp {
  const kinds = ['net', 'pid', 'uts', 'ipc', 'mnt']
  const own = kinds.map((kind) => literal(readlinkSync(`/proc/self/ns/${kind}`)))
  return new RegExp(`^(?![^]*(?:${own.join('|')}))${kinds.map((kind) => `${kind}:.*`).join('\n')}$`)
}

function literal(text: string): string {
  return text.replaceAll(/[[\]]/g, String.raw`\$&`)
}

export function runScenarios(client: ClientName): void {
  suite(`run, through ${client}`, { skip: missing(client) }, () => {
    const s = system(client)

    for (const [title, { flags, shell, want }] of Object.entries(seen))
      test(`run ${title}`, async () => {
        const folder = s.folder({ file: 'from host\n', env: '# a comment\n\nONE=1\nTWO=two words\n' })
        const given = flags.map((word) => word.replaceAll('@', folder))
        const result = await s.run(['run', '--rm', ...given, 'busybox', 'sh', '-c', shell], {
          env: { FROM_CALLER: 'yes' },
        })
        const out = result.stdout.trimEnd()
        const about = `stdout: ${out}\nstderr: ${result.stderr}`
        if (typeof want === 'string') assert.equal(out, want, about)
        else assert.match(out, want, about)
      })

    const codes: [title: string, args: string[], code: number, stderr: RegExp][] = [
      ['0', ['busybox', 'true'], 0, /^$/],
      ['the command’s own', ['busybox', 'sh', '-c', 'exit 42'], 42, /^$/],
      ['128 + signal', ['--init', 'busybox', 'sh', '-c', 'kill -9 $$'], 137, /^$/],
      [
        '127 for a command that is not there',
        ['busybox', 'nosuch'],
        127,
        /"nosuch": executable file not found in \$PATH/,
      ],
      ['127 for a path that is not there', ['busybox', '/no/such'], 127, /no such file or directory/],
      ['126 for a directory', ['busybox', '/etc'], 126, /permission denied|is a directory/],
      ['126 for a file without x', ['busybox', '/etc/passwd'], 126, /permission denied/],
      ['125 for an unknown flag', ['--nosuch', 'busybox'], 125, /unknown flag: --nosuch/],
      ['125 for an unknown user', ['-u', 'nosuch', 'busybox', 'true'], 125, /unable to find user nosuch/],
      [
        '125 for a working directory that is a file',
        ['-w', '/etc/passwd', 'busybox', 'true'],
        125,
        /Cannot mkdir: \/etc\/passwd is not a directory/,
      ],
    ]
    for (const [title, args, code, stderr] of codes)
      test(`exit code ${title}`, async () => {
        await s.fails(code, stderr, 'run', '--rm', ...args)
      })

    test('run -d prints the id, and rm -f takes the container away', async () => {
      const id = await s.ok('run', '-d', '--name', 'web', '-l', 'a=b', 'busybox', 'sleep', '100')
      assert.match(id, /^[0-9a-f]{64}$/)
      assert.equal(await s.ok('ps', '-q', '--no-trunc'), id)
      assert.equal(await s.ok('ps', '--filter', 'label=a=b', '--format', '{{.Names}}'), 'web')
      assert.equal(await s.ok('inspect', '--format', '{{.State.Status}} {{.Name}}', 'web'), 'running /web')
      assert.equal(await s.ok('rm', '-f', 'web'), 'web')
      assert.equal(await s.ok('ps', '-aq'), '')
    })

    test('run --rm leaves no container, also when it fails to start', async () => {
      await s.run(['run', '--rm', 'busybox', 'nosuch'])
      await s.run(['run', '--rm', 'busybox', 'true'])
      assert.equal(await s.ok('ps', '-aq'), '')
    })

    test('run --rm removes anonymous volumes and keeps named ones', async () => {
      await s.ok('run', '--rm', '-v', '/anon', '-v', 'named:/n', 'busybox', 'true')
      assert.equal(await s.ok('volume', 'ls', '-q'), 'named')
    })

    test('a name in use is refused with the holder', async () => {
      const id = await s.ok('run', '-d', '--name', 'twice', 'busybox', 'sleep', '100')
      const { stderr } = await s.fails(
        125,
        /The container name "\/twice" is already in use by container/,
        'run',
        '--name',
        'twice',
        'busybox',
      )
      assert.ok(stderr.includes(id))
    })

    test('an unknown image is refused, with nothing half-made', async () => {
      await s.fails(125, /nosuch/, 'run', '--pull=never', 'nosuch:1', 'true')
      assert.equal(await s.ok('ps', '-aq'), '')
    })

    test('a missing bind source: --mount refuses it, -v makes it', async () => {
      const path = join(s.daemon.home, 'absent')
      await s.fails(
        125,
        new RegExp(`bind source path does not exist: ${path}`),
        'run',
        '--rm',
        '--mount',
        `type=bind,src=${path},dst=/x`,
        'busybox',
      )
      assert.ok(!existsSync(path))
      await s.ok('run', '--rm', '-v', `${path}:/x`, 'busybox', 'touch', '/x/made')
      assert.ok(existsSync(join(path, 'made')))
      assert.equal(await s.ok('ps', '-aq'), '')
    })

    test('--entrypoint replaces the image’s; arguments follow it', async () => {
      assert.equal(await s.ok('run', '--rm', '--entrypoint', 'echo', 'busybox', 'a', 'b c'), 'a b c')
    })

    test('a volume keeps what a container wrote, a container’s own files go with it', async () => {
      await s.ok(
        'run',
        '--rm',
        '-v',
        'keep:/data',
        'busybox',
        'sh',
        '-c',
        'echo kept > /data/f; echo lost > /g',
      )
      assert.equal(
        await s.ok(
          'run',
          '--rm',
          '-v',
          'keep:/data',
          'busybox',
          'sh',
          '-c',
          'cat /data/f; ls /g 2>&1 | wc -l',
        ),
        'kept\n1',
      )
      assert.match(await s.ok('run', '--rm', 'busybox', 'sh', '-c', 'ls /g 2>&1 || true'), /No such file/)
    })

    test('stdout and stderr stay apart', async () => {
      const result = await s.run(['run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2'])
      assert.deepEqual([result.stdout, result.stderr], ['out\n', 'err\n'])
    })

    test('--cidfile gets the id', async () => {
      const file = join(s.daemon.home, 'cid')
      const id = await s.ok('run', '-d', '--cidfile', file, 'busybox', 'true')
      assert.equal(readFileSync(file, 'utf8'), id)
    })

    test('memory beyond the limit ends in 137 and OOMKilled', async () => {
      const result = await s.run([
        'run',
        '--name',
        'oom',
        '--memory',
        '16m',
        '--memory-swap',
        '16m',
        'busybox',
        'sh',
        '-c',
        'tail /dev/zero',
      ])
      const { State } = await s.inspect<{ State: { OOMKilled: boolean; ExitCode: number } }>('oom')
      assert.equal(State.OOMKilled, true, JSON.stringify(State))
      assert.ok([1, 137].includes(result.code), `${result.code}`)
    })

    test('create and start -a are run in two steps', async () => {
      const id = await s.ok('create', '--name', 'two', 'busybox', 'sh', '-c', 'echo hi; exit 3')
      assert.equal(await s.ok('inspect', '--format', '{{.State.Status}}', id), 'created')
      const result = await s.run(['start', '-a', 'two'])
      assert.deepEqual([result.code, result.stdout], [3, 'hi\n'])
    })

    test('bind mounts come from the directory as it is now', async () => {
      const folder = join(s.daemon.home, 'live')
      mkdirSync(folder)
      await s.ok('run', '-d', '--name', 'live', '-v', `${folder}:/live`, 'busybox', 'sleep', '100')
      writeFileSync(join(folder, 'late'), 'edit\n')
      assert.equal(await s.ok('exec', 'live', 'cat', '/live/late'), 'edit')
    })

    test('ten containers at once', async () => {
      const names = Array.from({ length: 10 }, (_, i) => `n${i}`)
      await Promise.all(names.map((name) => s.ok('run', '-d', '--name', name, 'busybox', 'sleep', '100')))
      assert.equal((await s.ok('ps', '-q')).split('\n').length, 10)
      const addresses = await Promise.all(
        names.map((name) =>
          s.ok('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', name),
        ),
      )
      assert.equal(new Set(addresses).size, 10)
      await s.ok('rm', '-f', ...names)
    })
  })
}
