import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFlags } from './flags.ts'
import { helpText } from './help.ts'
import { daemonOptions, unsupportedKeys, type DaemonOption } from './options.ts'
import { resolve } from './resolve.ts'
import { fileSchema, mergeSettings, parseConfigFile, settingsOfFlags } from './settings.ts'

const options: readonly DaemonOption[] = daemonOptions
const config = (...argv: string[]) => resolve(settingsOfFlags(parseFlags(argv))).config

test('flags are read as dockerd reads them', () => {
  const flags = parseFlags([
    '-D',
    '-Hunix:///a',
    '-H',
    'unix:///b',
    '--mtu=1400',
    '--init=false',
    '-l=warn',
    '--label',
    'a=b',
  ])
  assert.deepEqual(Object.fromEntries(flags), {
    debug: true,
    host: ['unix:///a', 'unix:///b'],
    mtu: '1400',
    init: false,
    'log-level': 'warn',
    label: ['a=b'],
  })
})

test('wrong flags are refused by name', () => {
  const refused = (argv: string[], message: RegExp, kind = 'invalid') =>
    assert.throws(() => parseFlags(argv), { kind, message })
  refused(['--datta-root', '/x'], /unknown flag: --datta-root \(did you mean --data-root\?\)/)
  refused(['-x'], /unknown shorthand flag/)
  refused(['--mtu'], /flag needs an argument: --mtu/)
  refused(['--init=maybe'], /--init/)
  refused(['start'], /takes no arguments: "start"/)
  refused(['--rootless'], /--rootless is a flag of dockerd/, 'unsupported')
  refused(['--storage-opt', 'a=b'], /--storage-opt/, 'unsupported')
  assert.throws(() => settingsOfFlags(parseFlags(['--mtu', 'big'])), {
    kind: 'invalid',
    message: /"--mtu" flag: want a whole number/,
  })
  assert.throws(() => settingsOfFlags(parseFlags(['--default-ulimit', 'nofile'])), { kind: 'invalid' })
})

test('address pools: base and size, checked against each other', () => {
  assert.deepEqual(
    config(
      '--default-address-pool',
      'base=10.0.0.0/8,size=24',
      '--default-address-pool=size=64,base=fd00::/48',
    ).addressPools,
    [
      { base: '10.0.0.0/8', size: 24 },
      { base: 'fd00::/48', size: 64 },
    ],
  )
  for (const pool of [
    '10.0.0.0/8',
    'base=10.0.0.0/24,size=16',
    'base=nowhere/8,size=9',
    'base=10.0.0.0/8,size=33',
  ])
    assert.throws(() => config('--default-address-pool', pool), { kind: 'invalid' }, pool)
})

test('file and flags know the same keys, and every flag is in the help', () => {
  assert.deepEqual(
    Object.keys(fileSchema.shape).toSorted(),
    options.flatMap((option) => option.key ?? []).toSorted(),
  )
  for (const { flag } of options)
    if (flag !== undefined) assert.match(helpText(), new RegExp(`--${flag} `), flag)
  for (const key of unsupportedKeys) assert.ok(!(key in fileSchema.shape), key)
})

test('what counts of the checks is set for all builds, and read at the start', () => {
  const checksOf = (checks: string) =>
    resolve(parseConfigFile('d.json', JSON.stringify({ builder: { checks } }))).config.builderChecks
  assert.equal(checksOf('skip=RunsAsRoot;error=true'), 'skip=RunsAsRoot;error=true')
  assert.throws(() => checksOf('nonsense'), {
    kind: 'invalid',
    message: 'builder.checks: invalid check option "nonsense"',
  })
})

test('collection of the build cache is set as in docker', () => {
  const gcOf = (gc: unknown) =>
    resolve(parseConfigFile('d.json', JSON.stringify({ builder: { gc } }))).config.builderGc
  assert.deepEqual(
    gcOf({
      defaultKeepStorage: '20GB',
      defaultMaxUsedSpace: 5,
      policy: [{ all: true, filter: ['unused-for=1h'], keepStorage: '1kb', minFreeSpace: 7 }],
    }),
    {
      enabled: true,
      limits: { reservedSpace: 20 * 2 ** 30, maxUsedSpace: 5, minFreeSpace: 0 },
      policies: [
        {
          all: true,
          filters: ['unused-for=1h'],
          limits: { reservedSpace: 1024, maxUsedSpace: 0, minFreeSpace: 7 },
        },
      ],
    },
  )
  assert.equal(gcOf({ enabled: false }).enabled, false)
  assert.throws(() => gcOf({ policy: [{ filter: ['age=1h'] }] }), {
    kind: 'invalid',
    message: /builder.gc.policy/,
  })
  assert.throws(() => gcOf({ defaultKeepStorage: 'much' }), { kind: 'invalid' })
})

test('builder.history bounds the records of builds', () => {
  const historyOf = (history: unknown) =>
    resolve(parseConfigFile('d.json', JSON.stringify({ builder: { history } }))).config.builderHistory
  assert.deepEqual(historyOf({}), { maxBuilds: 200, maxBytes: 256 << 20, maxAge: 0 })
  assert.deepEqual(historyOf({ maxEntries: 5, maxAge: '48h', maxSize: '1MB' }), {
    maxBuilds: 5,
    maxBytes: 1 << 20,
    maxAge: 48 * 3_600_000,
  })
  assert.equal(historyOf({ maxAge: 60 }).maxAge, 60_000)
  assert.throws(() => historyOf({ maxAge: 'long' }), { kind: 'invalid', message: /builder.history.maxAge/ })
  assert.throws(() => historyOf({ maxEntries: 0 }), { kind: 'invalid' })
})

test('daemon.json is read with docker’s keys', () => {
  const settings = parseConfigFile(
    'd.json',
    '{"debug":true,"hosts":["unix:///x"],"default-shm-size":"1m","default-ulimits":{"nofile":{"Name":"nofile","Soft":1,"Hard":2}},"dns":["1.1.1.1"]}',
  )
  const { config: resolved } = resolve(settings)
  assert.equal(resolved.logLevel, 'debug')
  assert.deepEqual(resolved.builderGc, {
    enabled: true,
    limits: { reservedSpace: 0, maxUsedSpace: 0, minFreeSpace: 0 },
    policies: [],
  })
  assert.equal(resolved.defaultShmSize, 1 << 20)
  assert.deepEqual(resolved.defaultUlimits, [{ Name: 'nofile', Soft: 1, Hard: 2 }])
  assert.deepEqual(parseConfigFile('d.json', ' '), {})
})

test('a faulty daemon.json is refused with file and key', () => {
  const refused = (content: string, message: RegExp) =>
    assert.throws(() => parseConfigFile('/etc/d.json', content), { kind: 'invalid', message })
  refused('{', /unable to configure the daemon with file \/etc\/d\.json/)
  refused('[]', /want a JSON object/)
  refused(
    '{"debgu":true,"x-y":1}',
    /don't match any configuration option: debgu \(did you mean debug\?\), x-y$/,
  )
  refused('{"mtu":"1500"}', /mtu: .*expected/)
  refused('{"rootless":true}', /not supported by Gantry yet: rootless/)
})

test('what flag and file both set is refused', () => {
  assert.throws(() => mergeSettings('d.json', { debug: true, mtu: 1 }, { debug: false }), {
    kind: 'invalid',
    message:
      'unable to configure the daemon with file d.json: the following directives are specified both as a flag and in the configuration file: debug: (from flag: false, from file: true)',
  })
})

test('the defaults are a complete, frozen configuration', () => {
  const resolved = config()
  assert.deepEqual(resolved.hosts, ['unix:///run/gantry/gantry.sock'])
  assert.equal(resolved.bridge.name, 'gantry0')
  assert.equal(resolved.cgroupParent, '/gantry')
  assert.ok(Object.isFrozen(resolved) && Object.isFrozen(resolved.bridge))
  assert.equal(JSON.stringify(resolved).includes('null'), false)
})

test('a daemon with another exec-root shares no bridge and no cgroup', () => {
  const resolved = config('--exec-root', '/run/other')
  assert.match(resolved.bridge.name, /^gantry-[0-9a-f]{6}$/)
  assert.match(resolved.cgroupParent, /^\/gantry-[0-9a-f]{6}$/)
})

test('values that cannot work are refused', () => {
  const refused = (message: RegExp, ...argv: string[]) => assert.throws(() => config(...argv), { message })
  refused(/unix sockets below it would not fit/, '--exec-root', `/${'x'.repeat(80)}`)
  refused(/want an absolute path/, '--data-root', 'data')
  refused(/bip/, '--bip', '172.20.0.1')
  refused(/invalid logging level: loud/, '-l', 'loud')
  refused(/Invalid bind address format/, '-H', 'tcp://nope')
  refused(/fd:\/\/ is not supported/, '-H', 'fd://')
  refused(/bad attribute format: x/, '--label', 'x')
  refused(/1\.1\.1 is not an ip address/, '--dns', '1.1.1')
  refused(/tlsverify needs tlscacert/, '--tlsverify', '--tlscert', 'c', '--tlskey', 'k')
  refused(/tlscert is set but neither/, '--tlscert', 'c')
  refused(/invalid name "..\/kata"/, '--add-runtime', '../kata=/usr/bin/kata')
  refused(/cannot name a network interface/, '--bridge', 'a-much-too-long-name')
  refused(/systemd slices/, '--cgroup-parent', 'x.slice')
})

test('TLS is on tcp hosts when asked for', () => {
  const tls = (...argv: string[]) => resolve(settingsOfFlags(parseFlags(argv))).tls
  assert.equal(tls(), undefined)
  assert.equal(tls('--tlsverify=false'), undefined)
  assert.deepEqual(tls('--tlsverify', '--tlscacert', 'a', '--tlscert', 'c', '--tlskey', 'k'), {
    ca: 'a',
    cert: 'c',
    key: 'k',
  })
  assert.deepEqual(tls('--tls', '--tlscert', 'c', '--tlskey', 'k'), { ca: undefined, cert: 'c', key: 'k' })
})

test('a registered default runtime has its path', () => {
  assert.deepEqual(config('--default-runtime', 'mine', '--add-runtime', 'mine=/opt/crun').runtime, {
    name: 'mine',
    path: '/opt/crun',
    others: {},
  })
  assert.deepEqual(config('--add-runtime', 'mine=/opt/crun').runtime.others, { mine: '/opt/crun' })
})

test('settings of dockerd that Gantry has one value for pass with it, and are refused with the reason else', () => {
  config(
    '--iptables',
    '--ip6tables=true',
    '--storage-driver=overlay2',
    '--selinux-enabled=false',
    '--raw-logs',
    '--exec-opt',
    'native.cgroupdriver=cgroupfs',
    '--feature',
    'buildkit',
    '--firewall-backend=nftables',
  )
  const refused = (message: RegExp, ...flags: string[]) =>
    assert.throws(() => config(...flags), { kind: 'unsupported', message })
  refused(/iptables=false: .*cannot do without/, '--iptables=false')
  refused(/storage-driver=btrfs: .*overlayfs/, '-s', 'btrfs')
  refused(
    /exec-opts=.*native\.cgroupdriver=systemd is not supported/,
    '--exec-opt',
    'native.cgroupdriver=systemd',
  )
  refused(
    /features=.*containerd-snapshotter=true is not supported/,
    '--feature',
    'containerd-snapshotter=true',
  )
  refused(/userns-remap=default/, '--userns-remap', 'default')
})

test('settings of the default bridge and of networks', () => {
  const made = config(
    '--bip',
    '10.9.0.1/16',
    '--fixed-cidr',
    '10.9.8.0/24',
    '--icc=false',
    '--ip-masq=false',
    '--ip',
    '127.0.0.1',
    '--userland-proxy=false',
    '--host-gateway-ip',
    '10.1.1.1',
    '--ip-forward=false',
    '--default-network-opt',
    'bridge=com.docker.network.driver.mtu=1400',
  )
  assert.deepEqual(
    [made.bridge.range, made.bridge.icc, made.bridge.masquerade, made.bridge.hostBinding],
    ['10.9.8.0/24', false, false, '127.0.0.1'],
  )
  assert.deepEqual(
    [made.relay, made.hostGateway, made.ipForward, made.networkOptions],
    [false, '10.1.1.1', false, { bridge: { 'com.docker.network.driver.mtu': '1400' } }],
  )
  const refused = (message: RegExp, ...flags: string[]) => assert.throws(() => config(...flags), { message })
  refused(/fixed-cidr needs bip/, '--fixed-cidr', '10.9.8.0/24')
  refused(/leave userland-proxy on/, '--userland-proxy=false', '--respect-host-firewall')
  refused(/log-format "xml"/, '--log-format', 'xml')
  refused(/metrics-addr "9323"/, '--metrics-addr', '9323')
  refused(/oom-score-adjust 2000/, '--oom-score-adjust', '2000')
})
