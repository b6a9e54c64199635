import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { command, eventually, missing, system, type ClientName } from '../harness.ts'

interface Endpoint {
  IPAMConfig: { IPv4Address?: string } | null
  Aliases: string[] | null
  MacAddress: string
  GwPriority: number
  NetworkID: string
  EndpointID: string
  Gateway: string
  IPAddress: string
  IPPrefixLen: number
  GlobalIPv6Address: string
  GlobalIPv6PrefixLen: number
  IPv6Gateway: string
  DNSNames: string[] | null
}
interface Inspected {
  Id: string
  HostConfig: { NetworkMode: string }
  NetworkSettings: { IPAddress: string; Networks: Record<string, Endpoint> }
}
interface NetworkInspected {
  Id: string
  IPAM: { Config: { Subnet: string; Gateway: string; IPRange?: string }[] }
  Containers: Record<string, { Name: string; IPv4Address: string; EndpointID: string }>
}

const server = ['busybox', 'sh', '-c', 'mkdir /w; echo hi > /w/index.html; exec httpd -f -p 8080 -h /w']
const sleeper = ['busybox', 'sleep', '600']

export function userNetworkScenarios(client: ClientName): void {
  suite(`networks of one's own, through ${client}`, { skip: missing(client, { docker: 28 }) }, () => {
    const s = system(client)
    const inspectNetwork = async (name: string): Promise<NetworkInspected> => {
      const [found] = JSON.parse(await s.ok('network', 'inspect', name)) as NetworkInspected[]
      assert.ok(found)
      return found
    }
    const endpoints = async (name: string) => (await s.inspect<Inspected>(name)).NetworkSettings.Networks
    const wget = (from: string, url: string) => s.run(['exec', from, 'wget', '-q', '-O', '-', url])
    const serves = (from: string, url: string) =>
      eventually(async () => assert.equal((await wget(from, url)).stdout, 'hi\n', url), 5000)

    test('create, ls, inspect, rm; names that are taken or reserved', async () => {
      const id = await s.ok('network', 'create', '--label', 'a=b', '--subnet', '10.201.7.0/24', 'mine')
      assert.match(id, /^[0-9a-f]{64}$/)
      assert.equal(await s.ok('network', 'ls', '-q', '--no-trunc', '--filter', 'name=mine'), id)
      assert.equal(
        await s.ok('network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}} {{.Driver}}'),
        'mine bridge',
      )
      assert.equal(
        await s.ok('network', 'inspect', '-f', '{{.Labels.a}} {{(index .IPAM.Config 0).Gateway}}', 'mine'),
        'b 10.201.7.1',
      )
      await s.fails(1, /network with name mine already exists/, 'network', 'create', 'mine')
      await s.fails(
        1,
        /operation is not permitted on predefined bridge network/,
        'network',
        'create',
        'bridge',
      )
      await s.fails(
        1,
        /Pool overlaps with other one on this address space.*network mine/,
        'network',
        'create',
        '--subnet',
        '10.201.0.0/16',
        'two',
      )
      await s.fails(1, /bridge is a pre-defined network and cannot be removed/, 'network', 'rm', 'bridge')
      assert.equal(await s.ok('network', 'rm', 'mine'), 'mine')
      await s.fails(1, /network mine not found/, 'network', 'rm', 'mine')
    })

    test('containers find each other by name, alias and id, live', async () => {
      await s.ok('network', 'create', 'net')
      const id = await s.ok(
        'run',
        '-d',
        '--name',
        'web',
        '--network',
        'net',
        '--network-alias',
        'www',
        ...server,
      )
      await s.ok('run', '-d', '--name', 'client', '--network', 'net', ...sleeper)
      for (const name of ['web', 'www', id.slice(0, 12), 'WEB.net'])
        await serves('client', `http://${name}:8080/`)
      await s.ok('rename', 'web', 'web2')
      await serves('client', 'http://web2:8080/')
      assert.notEqual((await wget('client', 'http://web:8080/')).code, 0)
      const members = Object.values((await inspectNetwork('net')).Containers)
      assert.deepEqual(members.map((m) => m.Name).sort(), ['client', 'web2'])
      await s.fails(
        1,
        /error while removing network: network net has active endpoints \(name:"(client|web2)" id:"[0-9a-f]{12}"/,
        'network',
        'rm',
        'net',
      )
      const { net } = await endpoints('web2')
      assert.deepEqual(net?.Aliases, ['www'])
      assert.deepEqual(net?.DNSNames, ['web2', 'www', id.slice(0, 12)])
      assert.equal((await s.inspect<Inspected>('web2')).NetworkSettings.IPAddress, '')
      await s.ok('stop', '-t', '0', 'web2')
      assert.notEqual((await wget('client', 'http://web2:8080/')).code, 0)
      await s.ok('start', 'web2')
      await serves('client', 'http://web2:8080/')
      // The default bridge knows no names.
      const plain = await s.run(['run', '--rm', 'busybox', 'wget', '-q', '-O', '-', 'http://web2:8080/'])
      assert.notEqual(plain.code, 0)
    })

    test('--link on a network of one’s own: a name that one container has for another', async () => {
      await s.ok('network', 'create', 'net')
      await s.ok('run', '-d', '--name', 'one', '--network', 'net', '--link', 'late:store', ...sleeper)
      await s.ok('run', '-d', '--name', 'two', '--network', 'net', ...sleeper)
      await s.ok('run', '-d', '--name', 'late', '--network', 'net', ...server)
      await serves('one', 'http://STORE:8080/')
      assert.notEqual((await wget('two', 'http://store:8080/')).code, 0)
      const form = '{{json .HostConfig.Links}} {{json .NetworkSettings.Networks.net.Links}}'
      assert.equal(await s.ok('inspect', '-f', form, 'one'), 'null ["late:store"]')
      await s.ok('run', '-d', '--name', 'three', ...sleeper)
      await s.ok('network', 'connect', '--link', 'late:depot', 'net', 'three')
      await serves('three', 'http://depot:8080/')
      await s.ok('rm', '-f', 'late')
      assert.notEqual((await wget('one', 'http://store:8080/')).code, 0)
    })

    test('connect and disconnect while it runs; several networks at create; gateway priority', async () => {
      await s.ok('network', 'create', '--subnet', '10.202.1.0/24', 'one')
      await s.ok(
        'network',
        'create',
        '--subnet',
        '10.202.2.0/24',
        '--ip-range',
        '10.202.2.128/25',
        '--gateway',
        '10.202.2.9',
        'two',
      )
      await s.ok('run', '-d', '--name', 'web', '--network', 'two', '--ip', '10.202.2.77', ...server)
      await s.ok('run', '-d', '--name', 'cc', '--network', 'one', ...sleeper)
      assert.notEqual((await s.run(['exec', 'cc', 'nc', '-w', '1', '10.202.2.77', '8080'])).code, 0)
      await s.ok('network', 'connect', '--alias', 'sea', 'two', 'cc')
      await serves('cc', 'http://web:8080/')
      const both = await endpoints('cc')
      assert.equal(both['two']?.IPAddress, '10.202.2.128')
      assert.equal(both['two']?.Gateway, '10.202.2.9')
      assert.deepEqual(both['two']?.Aliases, ['sea'])
      assert.match(await s.ok('exec', 'cc', 'ip', 'route'), /default via 10\.202\.1\.1 dev eth0/)
      await s.fails(1, /already exists in network two/, 'network', 'connect', 'two', 'cc')
      await s.ok('network', 'disconnect', 'one', 'cc')
      assert.match(await s.ok('exec', 'cc', 'ip', 'route'), /default via 10\.202\.2\.9 dev eth1/)
      await serves('cc', 'http://web:8080/')
      await s.fails(1, /is not connected to/, 'network', 'disconnect', 'one', 'cc')
      await s.ok('restart', '-t', '0', 'cc')
      await serves('cc', 'http://web:8080/')
      assert.deepEqual(Object.keys(await endpoints('cc')), ['two'])
      // Off all networks it comes back to that of its mode.
      await s.ok('network', 'disconnect', 'two', 'cc')
      assert.deepEqual(await endpoints('cc'), {})
      await s.ok('restart', '-t', '0', 'cc')
      assert.match((await endpoints('cc'))['one']?.IPAddress ?? '', /^10\.202\.1\./)
      await s.ok(
        'run',
        '-d',
        '--name',
        'dd',
        '--network',
        'name=one,alias=dee,ip=10.202.1.44,mac-address=02:42:00:00:00:44',
        '--network',
        'name=two,gw-priority=5',
        ...sleeper,
      )
      const d = await endpoints('dd')
      assert.deepEqual(
        [d['one']?.IPAddress, d['one']?.MacAddress, d['two']?.GwPriority],
        ['10.202.1.44', '02:42:00:00:00:44', 5],
      )
      assert.match(await s.ok('exec', 'dd', 'ip', 'route'), /default via 10\.202\.2\.9 dev eth1/)
    })

    test('connect and disconnect while it is stopped', async () => {
      await s.ok('network', 'create', 'one')
      await s.ok('create', '--name', 'cc', 'busybox', 'sh', '-c', 'ls /sys/class/net')
      await s.ok('network', 'connect', 'one', 'cc')
      assert.equal((await s.ok('start', '-a', 'cc')).trim().split(/\s+/).join(' '), 'eth0 eth1 lo')
      await s.ok('network', 'disconnect', 'bridge', 'cc')
      assert.deepEqual(Object.keys(await endpoints('cc')), ['one'])
      await s.ok('network', 'rm', 'one')
      await s.fails(1, /network one not found/, 'start', 'cc')
    })

    test('--network container: shares all, names and ports of files too', async () => {
      await s.ok('network', 'create', 'net')
      await s.ok('run', '-d', '--name', 'web', '--hostname', 'boss', '--network', 'net', ...server)
      const out = await s.ok(
        'run',
        '--rm',
        '--network',
        'container:web',
        'busybox',
        'sh',
        '-c',
        'hostname; wget -q -O - http://127.0.0.1:8080/; grep -c boss /etc/hosts; cat /etc/resolv.conf',
      )
      assert.match(out, /^boss\nhi\n1\n/)
      assert.match(out, /nameserver 127\.0\.0\.11/)
      await s.fails(
        125,
        /conflicting options: port publishing and the container type network mode/,
        'run',
        '-p',
        '80',
        '--network',
        'container:web',
        ...sleeper,
      )
      await s.ok('stop', '-t', '0', 'web')
      await s.fails(
        125,
        /cannot join network of a non running container/,
        'run',
        '--rm',
        '--network',
        'container:web',
        ...sleeper,
      )
    })

    test('--internal has no way out; IPv6 has addresses, names and routes', async () => {
      await s.ok('network', 'create', '--internal', 'closed')
      assert.equal(
        (await s.ok('run', '--rm', '--network', 'closed', 'busybox', 'ip', 'route')).includes('default'),
        false,
      )
      await s.ok('network', 'create', '--ipv6', 'six')
      const config = (await inspectNetwork('six')).IPAM.Config
      assert.equal(config.length, 2)
      assert.match(config[1]?.Subnet ?? '', /^fd[0-9a-f]{2}:.*\/64$/)
      await s.ok('run', '-d', '--name', 'web', '--network', 'six', ...server)
      const { six } = await endpoints('web')
      assert.match(six?.GlobalIPv6Address ?? '', /^fd.*::2$/)
      assert.equal(six?.GlobalIPv6PrefixLen, 64)
      await s.ok('run', '-d', '--name', 'cc', '--network', 'six', ...sleeper)
      await serves('cc', `http://[${six?.GlobalIPv6Address}]:8080/`)
      assert.match(await s.ok('exec', 'cc', 'ip', '-6', 'route'), /default via fd/)
    })

    test('driver options reach the kernel; the others are refused', async () => {
      const name = `gto${s.daemon.tag}`
      await s.ok(
        'network',
        'create',
        '-o',
        `com.docker.network.bridge.name=${name}`,
        '-o',
        'com.docker.network.driver.mtu=1400',
        '-o',
        'com.docker.network.container_iface_prefix=lan',
        'opts',
      )
      assert.match((await command(['ip', 'link', 'show', name])).stdout, /mtu 1400/)
      const out = await s.ok(
        'run',
        '--rm',
        '--network',
        'opts',
        '--mac-address',
        '02:42:00:00:00:99',
        'busybox',
        'cat',
        '/sys/class/net/lan0/mtu',
        '/sys/class/net/lan0/address',
      )
      assert.equal(out, '1400\n02:42:00:00:00:99')
      await s.fails(
        1,
        /network option com.docker.network.bridge.nonsense is not supported/,
        'network',
        'create',
        '-o',
        'com.docker.network.bridge.nonsense=1',
        'bad',
      )
      await s.fails(1, /This node is not a swarm manager/, 'network', 'create', '-d', 'overlay', 'bad')
      await s.fails(1, /plugin "nosuch" not found/, 'network', 'create', '-d', 'nosuch', 'bad')
    })

    test('addresses: in use, outside, on networks that take none', async () => {
      await s.ok(
        'network',
        'create',
        '--subnet',
        '10.203.0.0/29',
        '--aux-address',
        'router=10.203.0.2',
        'small',
      )
      await s.ok('run', '-d', '--network', 'small', '--ip', '10.203.0.5', ...sleeper)
      await s.fails(
        125,
        /Address already in use/,
        'run',
        '--rm',
        '--network',
        'small',
        '--ip',
        '10.203.0.5',
        ...sleeper,
      )
      await s.fails(
        125,
        /no configured subnet or ip-range contain the IP address 10\.9\.9\.9/,
        'run',
        '--rm',
        '--network',
        'small',
        '--ip',
        '10.9.9.9',
        ...sleeper,
      )
      await s.fails(
        125,
        /user specified IP address is supported on user defined networks only/,
        'run',
        '--rm',
        '--ip',
        '10.9.9.9',
        ...sleeper,
      )
      await s.fails(
        125,
        /network-scoped alias(es are only supported for user-defined networks| is supported only for containers in user defined networks)/,
        'run',
        '--rm',
        '--network-alias',
        'x',
        ...sleeper,
      )
      for (const expected of ['10.203.0.3', '10.203.0.4', '10.203.0.6']) {
        const id = await s.ok('run', '-d', '--network', 'small', ...sleeper)
        assert.equal((await endpoints(id))['small']?.IPAddress, expected)
      }
      await s.fails(125, /no available IPv4 addresses/, 'run', '--rm', '--network', 'small', ...sleeper)
    })

    test('prune takes what nobody is on, by label too', async () => {
      await s.ok('network', 'create', '--label', 'keep', 'kept')
      await s.ok('network', 'create', 'used')
      await s.ok('network', 'create', 'loose')
      await s.ok('run', '-d', '--network', 'used', ...sleeper)
      assert.equal(
        await s.ok('network', 'ls', '--filter', 'dangling=true', '--format', '{{.Name}}'),
        'kept\nloose',
      )
      assert.equal(
        await s.ok('network', 'prune', '-f', '--filter', 'label!=keep'),
        'Deleted Networks:\nloose\n',
      )
      assert.equal(await s.ok('network', 'prune', '-f'), 'Deleted Networks:\nkept\n')
      assert.equal(await s.ok('network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}}'), 'used')
    })

    test('--link on the default bridge: names and variables, which follow a restart', async () => {
      await s.ok('run', '-d', '--name', 'store', '--expose', '8080', '-e', 'MODE=x', ...server)
      await s.ok('run', '-d', '--name', 'app', '--link', 'store:db', ...sleeper)
      await serves('app', 'http://db:8080/')
      await serves('app', 'http://store:8080/')
      const env = await s.ok('exec', 'app', 'env')
      assert.match(env, /^DB_PORT=tcp:\/\/[\d.]+:8080$/m)
      assert.match(env, /^DB_NAME=\/app\/db$/m)
      assert.match(env, /^DB_ENV_MODE=x$/m)
      await s.ok('stop', '-t', '0', 'store')
      await s.ok('run', '-d', '--name', 'taker', ...sleeper)
      await s.ok('start', 'store')
      await serves('app', 'http://db:8080/')
      await s.ok('stop', '-t', '0', 'store', 'app')
      await s.fails(1, /Cannot link to a non running container: \/store AS \/app\/db/, 'start', 'app')
      await s.fails(125, /could not get container for nobody/, 'run', '--rm', '--link', 'nobody', ...sleeper)
    })

    test('host.docker.internal and host-gateway lead to the host', async () => {
      await s.ok('network', 'create', 'net')
      const gateway = await s.ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'bridge')
      const script = 'grep -w me /etc/hosts; nslookup host.docker.internal'
      const out = await s.ok(
        'run',
        '--rm',
        '--network',
        'net',
        '--add-host',
        'me:host-gateway',
        'busybox',
        'sh',
        '-c',
        script,
      )
      assert.ok(out.startsWith(`${gateway}\tme\n`), out)
      assert.ok(
        out.split('\n').some((line) => line.endsWith(gateway) && line.startsWith('Address')),
        out,
      )
    })

    test('events of networks', async () => {
      const since = String(Math.floor(Date.now() / 1000) - 1)
      await s.ok('network', 'create', 'told')
      await s.ok('run', '-d', '--name', 'teller', '--network', 'told', ...sleeper)
      await s.ok('network', 'disconnect', 'told', 'teller')
      await s.ok('network', 'connect', 'told', 'teller')
      await s.ok('rm', '-f', 'teller')
      await s.ok('network', 'rm', 'told')
      const filters = ['--filter', 'type=network', '--filter', 'network=told']
      const out = await s.ok(
        'events',
        '--since',
        since,
        '--until',
        String(Math.floor(Date.now() / 1000) + 1),
        ...filters,
        '--format',
        '{{.Action}} {{.Actor.Attributes.type}}',
      )
      const actions = ['create', 'connect', 'disconnect', 'connect', 'disconnect', 'destroy']
      assert.deepEqual(
        out.split('\n'),
        actions.map((action) => `${action} bridge`),
      )
    })

    test(
      'kill -9 of the daemon: connections and addresses stay, names come back',
      { skip: client !== 'gantry' },
      async () => {
        await s.ok('network', 'create', '--ipv6', 'kept')
        await s.ok('run', '-d', '--name', 'web', '--network', 'kept', ...server)
        await s.ok('run', '-d', '--name', 'asker', '--network', 'kept', ...sleeper)
        const before = await endpoints('web')
        // A connection that lives through it: asked only after the next daemon has started.
        await s.ok(
          'exec',
          '-d',
          'asker',
          'sh',
          '-c',
          '(while [ ! -e /go ]; do sleep 0.1; done; echo "GET / HTTP/1.0"; echo) | nc web 8080 > /got',
        )
        await s.daemon.killHard()
        await s.daemon.start()
        await serves('asker', 'http://web:8080/')
        assert.deepEqual(await endpoints('web'), before)
        await s.ok('exec', 'asker', 'touch', '/go')
        await eventually(async () => assert.match(await s.ok('exec', 'asker', 'cat', '/got'), /hi$/))
        await s.ok('rm', '-f', 'web', 'asker')
        // Without containers nothing of a network stays in the kernel; the next daemon makes it again as it was.
        const config = (await inspectNetwork('kept')).IPAM.Config
        await s.daemon.stop()
        await s.daemon.start()
        assert.deepEqual((await inspectNetwork('kept')).IPAM.Config, config)
        await s.ok('run', '-d', '--name', 'web', '--network', 'kept', ...server)
        assert.deepEqual((await endpoints('web'))['kept']?.IPAddress, before['kept']?.IPAddress)
        await s.ok('rm', '-f', 'web')
        await s.ok('network', 'rm', 'kept')
      },
    )
  })
}
