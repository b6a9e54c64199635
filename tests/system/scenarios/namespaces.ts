/** What containers share with each other and with the host. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { missing, system, type ClientName } from '../harness.ts'

export function namespaceScenarios(client: ClientName): void {
  suite(`namespaces, through ${client}`, { skip: missing(client) }, () => {
    const s = system(client)
    const refused = async (flags: string, message: RegExp) => {
      const { code, stderr } = await s.run(['run', '--rm', ...flags.split(' '), 'busybox', 'true'])
      assert.equal(code, 125, flags)
      assert.match(stderr, message)
    }

    test('--pid container: the processes of another one, while it runs', async () => {
      await s.ok('run', '-d', '--name', 'donor', 'busybox', 'sleep', '1000')
      assert.match(await s.ok('run', '--rm', '--pid', 'container:donor', 'busybox', 'ps'), /sleep 1000/)
      const id = await s.ok('inspect', '--format', '{{.Id}}', 'donor')
      await s.ok('run', '-d', '--name', 'guest', '--pid', 'container:donor', 'busybox', 'sleep', '1001')
      assert.equal(await s.ok('inspect', '--format', '{{.HostConfig.PidMode}}', 'guest'), `container:${id}`)
      await s.ok('stop', '-t', '0', 'donor')
      // All processes of a namespace end with its first one.
      assert.equal(await s.ok('wait', 'guest'), '137')
      await refused(
        '--pid container:donor',
        /failed to join PID namespace: container [0-9a-f]{64} is not running/,
      )
      await refused('--pid container:nobody', /No such container: nobody/)
      await refused('--pid somewhere', /invalid PID mode/)
    })

    test('--ipc container: queues and /dev/shm of one that shares them; private and none', async () => {
      await s.ok(
        'run',
        '-d',
        '--name',
        'shares',
        '--ipc',
        'shareable',
        '--shm-size',
        '8m',
        'busybox',
        'sleep',
        '1000',
      )
      await s.ok('run', '-d', '--name', 'keeps', 'busybox', 'sleep', '1000')
      const script =
        'echo hello > /dev/shm/f; readlink /proc/self/ns/ipc; df -k /dev/shm | tail -1 | awk "{print \\$2}"'
      const seen = await s.ok('run', '--rm', '--ipc', 'container:shares', 'busybox', 'sh', '-c', script)
      assert.equal(seen, `${await s.ok('exec', 'shares', 'readlink', '/proc/self/ns/ipc')}\n8192`)
      assert.equal(await s.ok('exec', 'shares', 'cat', '/dev/shm/f'), 'hello')
      await s.daemon.killHard()
      await s.daemon.start()
      assert.equal(
        await s.ok('run', '--rm', '--ipc', 'container:shares', 'busybox', 'cat', '/dev/shm/f'),
        'hello',
      )
      await refused(
        '--ipc container:keeps',
        /non-shareable IPC \(hint: use IpcMode:shareable for the donor container\)/,
      )
      await refused('--ipc nowhere', /invalid IPC mode: nowhere/)
      assert.doesNotMatch(await s.ok('run', '--rm', '--ipc', 'none', 'busybox', 'ls', '/dev'), /shm/)
    })

    test('--uts, --cgroupns and --userns', async () => {
      const host = await s.ok('run', '--rm', '--uts', 'host', 'busybox', 'readlink', '/proc/self/ns/uts')
      const own = await s.ok('run', '--rm', 'busybox', 'readlink', '/proc/self/ns/uts')
      assert.notEqual(host, own)
      const inside = (mode: string) =>
        s.ok(
          'run',
          '--rm',
          '--cgroupns',
          mode,
          'busybox',
          'sh',
          '-c',
          'cut -d: -f3 /proc/self/cgroup | sort -u',
        )
      assert.equal(await inside('private'), '/')
      assert.match(await inside('host'), /\/gt-[0-9a-f]+\//)
      await s.ok('run', '--rm', '--userns', 'host', 'busybox', 'true')
      await refused('--uts host --hostname x', /conflicting options: hostname and the UTS mode/)
      await refused('--userns keep-id', /invalid USER mode/)
    })
  })
}
