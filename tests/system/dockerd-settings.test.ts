/** Settings of dockerd that its scripts and configurations bring along. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { eventually, freePort, root, system } from './harness.ts'

const run = promisify(execFile)

suite('a daemon with dockerd’s settings', () => {
  const flags: string[] = []
  let metrics = 0
  before(async () => {
    metrics = await freePort()
    s.daemon.flags.push(`--metrics-addr=127.0.0.1:${metrics}`)
  })
  flags.push('--live-restore', '--icc=false', '--log-driver=json-file', '--log-opt', 'max-size=1m')
  flags.push('--host-gateway-ip=10.1.2.3', '--default-ipc-mode=shareable', '--storage-driver=overlay2')
  flags.push('--default-network-opt', 'bridge=com.docker.network.driver.mtu=1400', '--userland-proxy=false')
  const s = system('gantry', { flags })

  test('live-restore: containers go on while the daemon is stopped', async () => {
    await s.ok('run', '-d', '--name', 'goes-on', 'busybox', 'sleep', '1000')
    const pid = () => s.ok('inspect', '--format', '{{.State.Pid}}', 'goes-on')
    const of = await pid()
    await s.daemon.stop()
    process.kill(Number(of), 0)
    await s.daemon.start()
    assert.equal(await pid(), of)
    assert.equal(await s.ok('exec', 'goes-on', 'echo', 'still here'), 'still here')
    assert.equal(
      await s.ok('info', '--format', '{{.LiveRestoreEnabled}} {{.LoggingDriver}}'),
      'true json-file',
    )
  })

  test('what containers and networks have that say nothing', async () => {
    await s.ok('run', '-d', '--name', 'one', '--add-host', 'up:host-gateway', 'busybox', 'sleep', '1000')
    const fields =
      '{{.HostConfig.IpcMode}} {{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config "max-size"}}'
    assert.equal(await s.ok('inspect', '--format', fields, 'one'), 'shareable json-file 1m')
    assert.match(await s.ok('exec', 'one', 'cat', '/etc/hosts'), /^10\.1\.2\.3\tup$/m)
    const address = await s.ok('inspect', '--format', '{{.NetworkSettings.IPAddress}}', 'one')
    const ping = await s.run(['run', '--rm', 'busybox', 'ping', '-c', '1', '-W', '1', address])
    assert.equal(ping.code, 1, 'icc=false')
    await s.ok('network', 'create', 'narrow')
    assert.equal(
      await s.ok('run', '--rm', '--network', 'narrow', 'busybox', 'cat', '/sys/class/net/eth0/mtu'),
      '1400',
    )
    await s.ok('network', 'rm', 'narrow')
  })

  test('SIGHUP takes over what can change while it runs; a file that cannot be read changes nothing', async () => {
    const configure = (content: string) => writeFileSync(join(s.daemon.home, 'daemon.json'), content)
    const shown = () =>
      s.ok(
        'info',
        '--format',
        '{{json .Labels}} {{.Debug}} {{json .RegistryConfig.Mirrors}} {{.LiveRestoreEnabled}}',
      )
    const reload = async (content: string) => {
      configure(content)
      process.kill(s.daemon.pid, 'SIGHUP')
      // The signal is handled before a request that is sent after it.
      return await shown()
    }
    const before = await shown()
    const mirror = 'http://127.0.0.1:9/'
    const wanted = { labels: ['tier=test'], debug: true, 'registry-mirrors': [mirror], mtu: 1400 }
    const after = `["tier=test"] true ["${mirror}"] true`
    await eventually(async () => assert.equal(await reload(JSON.stringify(wanted)), after))
    // Until now, in whole seconds, as docker has it: the event may be later than that for a moment.
    await eventually(async () =>
      assert.match(
        await s.ok('events', '--since', '1', '--until', '0s', '--filter', 'type=daemon'),
        / daemon reload .*debug=true.*labels=\["tier=test"\].*live-restore=true/,
      ),
    )
    assert.equal(await reload('{'), after)
    assert.equal(
      await reload('{"live-restore": false}'),
      after,
      'a flag and the file say the same thing twice',
    )
    await eventually(async () => assert.equal(await reload('{}'), before))
  })

  test('figures for Prometheus', async () => {
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    assert.match(text, /^engine_daemon_container_states_containers\{state="running"\} \d+$/m)
    assert.match(text, /^process_resident_memory_bytes \d+$/m)
    assert.equal((await fetch(`http://127.0.0.1:${metrics}/`)).status, 404)
  })

  test('a link by the name dockerd is dockerd', async () => {
    const directory = mkdtempSync('/tmp/gt-dockerd-')
    after(() => rmSync(directory, { recursive: true }))
    const dockerd = join(directory, 'dockerd')
    symlinkSync(join(root, 'bin/gantryd'), dockerd)
    assert.match((await run(dockerd, ['--help'])).stdout, /^Usage: dockerd \[OPTIONS\]/)
    await assert.rejects(run(dockerd, ['--validate', '--iptables=false']), {
      stderr: /iptables=false: networks and published ports are rules of the firewall/,
    })
  })
})
