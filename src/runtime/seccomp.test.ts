import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { defaultSeccomp, type OciSeccomp } from './seccomp.ts'

const none = defaultSeccomp({ arch: 'amd64', capabilities: [] })

/** Names allowed whatever their arguments. */
const open = (s: OciSeccomp) =>
  new Set(s.syscalls.filter((r) => r.action === 'SCMP_ACT_ALLOW' && !r.args).flatMap((r) => r.names))
const refusedNames = (s: OciSeccomp) =>
  new Set(s.syscalls.filter((r) => r.action === 'SCMP_ACT_ERRNO' && !r.args).flatMap((r) => r.names))
const allowedValues = (s: OciSeccomp, name: string) =>
  s.syscalls
    .filter((r) => r.action === 'SCMP_ACT_ALLOW' && r.names.includes(name))
    .map((r) => `${r.args?.[0]?.op} ${r.args?.[0]?.value}`)

test('what is not named fails with ENOSYS, what we refuse with EPERM', () => {
  assert.equal(none.defaultAction, 'SCMP_ACT_ERRNO')
  assert.equal(none.defaultErrnoRet, 38)
  for (const rule of none.syscalls) if (rule.action === 'SCMP_ACT_ERRNO') assert.equal(rule.errnoRet, 1)
})

test('no name is allowed or refused twice: libseccomp refuses such rules', () => {
  for (const capabilities of [[], ['CAP_SYS_ADMIN'], ['CAP_SYS_ADMIN', 'CAP_BPF', 'CAP_SYSLOG']]) {
    const plain = defaultSeccomp({ arch: 'amd64', capabilities }).syscalls.filter((r) => !r.args)
    const names = plain.flatMap((r) => r.names)
    assert.deepEqual(
      names.filter((name, i) => names.indexOf(name) !== i),
      [],
    )
  }
})

test('a capability opens its calls', () => {
  assert.ok(refusedNames(none).has('mount'))
  assert.ok(refusedNames(none).has('chroot'))
  assert.ok(open(defaultSeccomp({ arch: 'amd64', capabilities: ['CAP_SYS_CHROOT'] })).has('chroot'))
  assert.ok(open(defaultSeccomp({ arch: 'amd64', capabilities: ['CAP_SYS_ADMIN'] })).has('mount'))
})

test('clone makes no namespaces and clone3 seems missing without CAP_SYS_ADMIN', () => {
  assert.ok(!open(none).has('clone'))
  assert.deepEqual(allowedValues(none, 'clone'), ['SCMP_CMP_MASKED_EQ 2114060288'])
  assert.ok(!open(none).has('clone3') && !refusedNames(none).has('clone3'))
  const admin = defaultSeccomp({ arch: 'amd64', capabilities: ['CAP_SYS_ADMIN'] })
  assert.ok(open(admin).has('clone') && open(admin).has('clone3'))
  assert.ok(!admin.syscalls.some((r) => r.args && r.names.includes('clone')))
})

test('sockets of AF_ALG (38) and AF_VSOCK (40) cannot be made', () => {
  assert.deepEqual(allowedValues(none, 'socket'), [
    'SCMP_CMP_LT 38',
    ...[39, 41, 42, 43, 44, 45].map((family) => `SCMP_CMP_EQ ${family}`),
  ])
})

test('architectures have their own calls', () => {
  const arm = defaultSeccomp({ arch: 'arm64', capabilities: [] })
  assert.deepEqual(arm.architectures, ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'])
  assert.ok(open(arm).has('set_tls') && !open(arm).has('arch_prctl'))
  assert.ok(open(none).has('arch_prctl') && !open(none).has('set_tls'))
})

interface PeerRule {
  names: string[]
  action: string
  args?: unknown[] | null
  includes?: { caps?: string[]; arches?: string[] }
  excludes?: { caps?: string[] }
}

/** What the peer allows whatever the arguments, for a process with these capabilities. */
function openInPeer(rules: readonly PeerRule[], capabilities: readonly string[]): Set<string> {
  return new Set(
    rules
      .filter(
        (r) =>
          r.action === 'SCMP_ACT_ALLOW' &&
          !r.args?.length &&
          (r.includes?.arches?.includes('amd64') ?? true) &&
          (r.includes?.caps?.every((cap) => capabilities.includes(cap)) ?? true) &&
          !r.excludes?.caps?.some((cap) => capabilities.includes(cap)),
      )
      .flatMap((r) => r.names),
  )
}

/** Where we are wider than the distribution's profile, and why. */
const wider: Readonly<Record<string, string>> = {
  cachestat: 'newer than the peer: tells of the page cache of a file that is already open',
  fchmodat2: 'newer: fchmodat with flags; C libraries try it first',
  futex_requeue: 'newer: futex2, the operations of futex by themselves',
  futex_wait: 'newer: futex2',
  futex_waitv: 'newer: futex2, wait on several futexes',
  futex_wake: 'newer: futex2',
  getxattrat: 'newer: getxattr relative to a directory',
  io_pgetevents: 'io_getevents with a signal mask; Docker allows it',
  io_pgetevents_time64: 'the same with 64-bit time',
  listxattrat: 'newer: listxattr relative to a directory',
  map_shadow_stack: 'newer: memory for the shadow stack of a new thread, which hardens',
  mseal: 'newer: forbids later changes to a mapping, which hardens',
  removexattrat: 'newer: removexattr relative to a directory',
  setxattrat: 'newer: setxattr relative to a directory',
}
/** The same where only a capability opens it. */
const widerByCapability: Readonly<Record<string, string>> = {
  quotactl_fd: 'newer: quotactl on a descriptor, under the same CAP_SYS_ADMIN',
  set_mempolicy_home_node: 'newer: beside set_mempolicy, under CAP_SYS_NICE; the peer allows that one to all',
  bpf: 'CAP_BPF is the part of CAP_SYS_ADMIN made for it (Linux 5.8); the peer asks for all of CAP_SYS_ADMIN',
  perf_event_open: 'CAP_PERFMON likewise',
}

const peerPath = '/usr/share/containers/seccomp.json'
const skip = existsSync(peerPath) ? false : `${peerPath} (golang-github-containers-common) is not installed`

test("no wider than the distribution's profile, but for the listed calls", { skip }, () => {
  const { syscalls } = JSON.parse(readFileSync(peerPath, 'utf8')) as { syscalls: PeerRule[] }
  const more = (capabilities: string[]) => {
    const peer = openInPeer(syscalls, capabilities)
    return [...open(defaultSeccomp({ arch: 'amd64', capabilities }))].filter((name) => !peer.has(name)).sort()
  }
  // A newer distribution's profile has some of them itself.
  assert.deepEqual(
    more([]).filter((name) => !(name in wider)),
    [],
  )
  const every = Object.keys(
    (
      JSON.parse(readFileSync(`${import.meta.dirname}/../../data/seccomp.json`, 'utf8')) as {
        capabilities: object
      }
    ).capabilities,
  )
  for (const capability of every)
    for (const name of more([capability]))
      assert.ok(name in wider || name in widerByCapability, `${capability} opens ${name}`)
})
