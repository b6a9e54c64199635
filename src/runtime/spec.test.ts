import assert from 'node:assert/strict'
import { test } from 'node:test'
import { capabilityNames } from '../host/proc.ts'
import type { HostConfig } from '../wire/container.ts'
import { resolveCapabilities } from './capabilities.ts'
import type { HostFacts } from './host-facts.ts'
import { buildSpec, execProcess, type SpecInput } from './spec.ts'

const available = capabilityNames.filter((name) => name !== 'CAP_SYS_RESOURCE')
const facts: HostFacts = {
  cgroup: 'v2',
  swapLimit: true,
  capabilities: available,
  arch: 'amd64',
  oomScoreAdj: 0,
  apparmor: false,
  selinux: false,
  initPath: '/usr/bin/tini-static',
  cpus: 4,
  cpuList: '0-3',
  nodeList: '0',
  devices: (path) =>
    path === '/dev'
      ? [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 }]
      : [{ path, type: 'c', major: 10, minor: 200, fileMode: 0o600, uid: 0, gid: 0 }],
  exists: () => false,
}
const root = { uid: 0, gid: 0, additionalGids: [0], home: '/root', name: 'root' }

function build(hostConfig: HostConfig = {}, over: Partial<SpecInput> = {}, host = facts) {
  return buildSpec(
    {
      args: ['true'],
      env: ['PATH=/bin'],
      cwd: '/',
      user: root,
      tty: false,
      hostname: 'box',
      rootfs: '/r',
      readonlyRootfs: false,
      mounts: [],
      namespaces: { network: 'private', pid: 'private', ipc: 'private', uts: 'private', cgroup: 'private' },
      hostConfig,
      cgroupsPath: '/gantry/x',
      init: false,
      kind: 'container',
      ...over,
    },
    host,
  )
}

test("buildSpec() gives a container docker's defaults", () => {
  const spec = build()
  assert.deepEqual(spec.process.capabilities.effective?.length, 14)
  assert.equal(spec.process.noNewPrivileges, false)
  assert.equal(spec.process.rlimits, undefined)
  assert.ok(spec.linux.maskedPaths?.includes('/proc/kcore'))
  assert.ok(spec.linux.readonlyPaths?.includes('/proc/sys'))
  assert.ok(spec.linux.seccomp)
  assert.deepEqual(
    spec.linux.namespaces.map((namespace) => namespace.type),
    ['mount', 'network', 'pid', 'ipc', 'uts', 'cgroup'],
  )
  assert.equal(spec.linux.resources.memory, undefined)
  assert.deepEqual(spec.linux.resources.devices?.[0], { allow: false, access: 'rwm' })
  const sys = spec.mounts.find((mount) => mount.destination === '/sys')
  assert.ok(sys?.options.includes('ro'))
})

test('capabilities follow --cap-add and --cap-drop in any spelling', () => {
  const resolve = (add: string[], drop: string[], privileged = false) =>
    resolveCapabilities({ add, drop, privileged, available })
  assert.ok(resolve(['sys_admin'], []).includes('CAP_SYS_ADMIN'))
  assert.ok(!resolve([], ['CAP_MKNOD']).includes('CAP_MKNOD'))
  assert.deepEqual(resolve(['NET_ADMIN'], ['ALL']), ['CAP_NET_ADMIN'])
  assert.deepEqual(resolve([], ['all']), [])
  assert.deepEqual(
    resolve(['ALL'], ['CHOWN']),
    available.filter((name) => name !== 'CAP_CHOWN'),
  )
  assert.deepEqual(resolve([], [], true), available)
  assert.throws(() => resolve(['NONSENSE'], []), {
    message: 'invalid CapAdd: unknown capability: "CAP_NONSENSE"',
  })
  assert.throws(
    () => resolve(['SYS_RESOURCE'], []),
    /not available in the current environment: "CAP_SYS_RESOURCE"/,
  )
})

test('a user other than root holds no capabilities, but files may grant them', () => {
  const spec = build({}, { user: { ...root, uid: 1000, gid: 1000 } })
  assert.equal(spec.process.capabilities.effective, undefined)
  assert.equal(spec.process.capabilities.bounding?.length, 14)
})

test('--privileged opens everything', () => {
  const spec = build({ Privileged: true })
  assert.deepEqual(spec.process.capabilities.effective, available)
  assert.equal(spec.linux.seccomp, undefined)
  assert.deepEqual(spec.linux.maskedPaths, [])
  assert.deepEqual(spec.linux.resources.devices, [{ allow: true, access: 'rwm' }])
  assert.equal(spec.linux.devices?.[0]?.path, '/dev/fuse')
  assert.ok(spec.mounts.find((mount) => mount.destination === '/sys')?.options.includes('rw'))
})

test('--security-opt is decoded, and refused by name', () => {
  const option = (...SecurityOpt: string[]) => build({ SecurityOpt })
  assert.equal(option('no-new-privileges').process.noNewPrivileges, true)
  assert.equal(option('no-new-privileges:false').process.noNewPrivileges, false)
  assert.equal(option('seccomp=unconfined').linux.seccomp, undefined)
  assert.deepEqual(option('systempaths=unconfined').linux.readonlyPaths, [])
  assert.ok(option('label=disable', 'apparmor=unconfined').linux.seccomp)
  assert.throws(() => option('apparmor=mine'), { kind: 'unsupported' })
  assert.equal(option('no-new-privileges=T').process.noNewPrivileges, true)
  assert.throws(() => option('no-new-privileges='), { kind: 'invalid' })
  assert.throws(() => option('nonsense=1'), { kind: 'invalid', message: /nonsense=1/ })
  assert.throws(() => option('seccomp={'), /not JSON/)
})

test("a seccomp profile in docker's format is decided for the container's capabilities", () => {
  const profile = JSON.stringify({
    defaultAction: 'SCMP_ACT_ERRNO',
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
    syscalls: [
      { names: ['read'], action: 'SCMP_ACT_ALLOW' },
      { names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['clone'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['ptrace'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '99.0' } },
    ],
  })
  const names = (CapAdd: string[]) =>
    build({ CapAdd, SecurityOpt: [`seccomp=${profile}`] }).linux.seccomp?.syscalls?.flatMap(
      (rule) => rule.names,
    )
  assert.deepEqual(names([]), ['read', 'clone'])
  assert.deepEqual(names(['SYS_ADMIN']), ['read', 'mount'])
})

test("limits become the runtime's figures", () => {
  const resources = (h: HostConfig, host = facts) => build(h, {}, host).linux.resources
  const MiB = 1 << 20
  assert.deepEqual(resources({ Memory: 64 * MiB }).memory, { limit: 64 * MiB, swap: 128 * MiB })
  assert.deepEqual(resources({ Memory: 64 * MiB, MemorySwap: -1 }).memory, { limit: 64 * MiB, swap: -1 })
  assert.deepEqual(resources({ Memory: 64 * MiB }, { ...facts, swapLimit: false }).memory, {
    limit: 64 * MiB,
  })
  assert.deepEqual(resources({ NanoCpus: 1.5e9 }).cpu, { period: 100_000, quota: 150_000 })
  assert.deepEqual(resources({ PidsLimit: 20 }).pids, { limit: 20 })
  assert.equal(resources({ PidsLimit: 0 }).pids, undefined)
  assert.deepEqual(resources({ CpusetCpus: '0-1,3', CpuShares: 512 }).cpu, { shares: 512, cpus: '0-1,3' })
  assert.throws(() => resources({ Memory: MiB }), { message: 'Minimum memory limit allowed is 6MB' })
  assert.throws(() => resources({ NanoCpus: 5e9 }), /only 4 CPUs available/)
  assert.throws(() => resources({ CpusetCpus: 'x' }), { kind: 'invalid' })
  assert.equal(resources({ OomKillDisable: true }).memory, undefined)
})

test('devices come with a rule for each node', () => {
  const { linux } = build({
    Devices: [{ PathOnHost: '/dev/net/tun', PathInContainer: '/dev/tun', CgroupPermissions: 'rw' }],
    DeviceCgroupRules: ['c 42:* rmw'],
  })
  assert.equal(linux.devices?.[0]?.path, '/dev/tun')
  assert.deepEqual(linux.resources.devices?.slice(-2), [
    { allow: true, type: 'c', major: 10, minor: 200, access: 'rw' },
    { allow: true, type: 'c', major: 42, access: 'rmw' },
  ])
  assert.throws(() => build({ DeviceCgroupRules: ['nonsense'] }), { kind: 'invalid' })
})

test('a mount replaces the default of the same destination, and parents come before children', () => {
  const mounts = [
    { destination: '/dev/shm', type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] },
    { destination: '/a/b', type: 'bind', source: '/x', options: ['rbind'] },
    { destination: '/a', type: 'bind', source: '/y', options: ['rbind', 'rslave'] },
  ]
  const spec = build({}, { mounts })
  assert.deepEqual(
    spec.mounts.filter((mount) => mount.destination === '/dev/shm').map((mount) => mount.options),
    [['size=1m']],
  )
  const order = spec.mounts.map((mount) => mount.destination)
  assert.ok(order.indexOf('/a') < order.indexOf('/a/b'))
  assert.ok(order.indexOf('/dev') < order.indexOf('/dev/shm'))
  assert.equal(spec.linux.rootfsPropagation, 'rslave')
})

test('--init puts a static init before the command', () => {
  const spec = build({}, { init: true })
  assert.deepEqual(spec.process.args, ['/sbin/docker-init', '--', 'true'])
  assert.ok(spec.mounts.some((mount) => mount.destination === '/sbin/docker-init'))
  assert.throws(() => build({}, { init: true }, { ...facts, initPath: undefined }), /install tini/)
})

test("sysctls stay inside the container's own namespaces", () => {
  assert.equal(build({ Sysctls: { 'net.core.somaxconn': '10' } }).linux.sysctl?.['net.core.somaxconn'], '10')
  const namespaces = {
    network: 'host',
    pid: 'private',
    ipc: 'private',
    uts: 'private',
    cgroup: 'host',
  } as const
  assert.throws(() => build({ Sysctls: { 'net.core.somaxconn': '10' } }, { namespaces }), {
    message: "sysctl 'net.core.somaxconn' not allowed in host network namespace",
  })
  assert.throws(() => build({ Sysctls: { 'vm.swappiness': '1' } }), /not whitelisted/)
  assert.equal(build({}, { namespaces }).linux.sysctl, undefined)
})

test('ulimits are set only when asked for', () => {
  assert.deepEqual(build({ Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }] }).process.rlimits, [
    { type: 'RLIMIT_NOFILE', soft: 10, hard: 20 },
  ])
  assert.throws(() => build({ Ulimits: [{ Name: 'nonsense', Soft: 1, Hard: 1 }] }), { kind: 'invalid' })
  assert.throws(
    () => build({ Ulimits: [{ Name: 'nofile', Soft: 2, Hard: 1 }] }),
    /less than or equal to hard/,
  )
})

test("execProcess() takes the container's process and changes what is asked for", () => {
  const spec = build({}, { env: ['PATH=/bin', 'A=1', 'HOME=/root'] })
  const base = { args: ['id'], env: [], tty: false, privileged: false }
  const bob = { uid: 1000, gid: 1000, additionalGids: [1000], home: '/home/bob', name: 'bob' }
  assert.deepEqual(execProcess(spec, base, facts).env, ['PATH=/bin', 'A=1', 'HOME=/root'])
  const other = execProcess(spec, { ...base, user: bob, env: ['A=2', 'B=3'], tty: true, cwd: '/tmp' }, facts)
  assert.deepEqual(other.env, ['PATH=/bin', 'A=2', 'B=3', 'TERM=xterm', 'HOME=/home/bob'])
  assert.equal(other.cwd, '/tmp')
  assert.equal(other.terminal, true)
  assert.equal(other.capabilities.effective, undefined)
  assert.deepEqual(execProcess(spec, { ...base, privileged: true }, facts).capabilities.effective, available)
})
