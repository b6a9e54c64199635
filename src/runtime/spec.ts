import { EngineError } from '../lib/errors.ts'
import type { HostConfig, Ulimit } from '../wire/container.ts'
import { capabilitiesOf, oomScoreAdjOf } from './check-host-config.ts'
import { hostFacts, type HostFacts } from './host-facts.ts'
import type { OciCapabilities, OciMount, OciNamespace, OciProcess, OciSpec } from './oci-spec.ts'
import { ociDevices, ociResources } from './resources.ts'
import { parseSecurityOptions, seccompFor } from './security.ts'
import type { ResolvedUser } from './user.ts'

export interface SpecInput {
  readonly args: string[]
  /** Complete: nothing is added but what the runtime adds itself (HOME when missing). */
  readonly env: string[]
  readonly cwd: string
  readonly user: ResolvedUser
  readonly tty: boolean
  readonly consoleSize?: [rows: number, columns: number]
  readonly hostname: string
  readonly domainname?: string
  /** Mounted on the host, absolute. */
  readonly rootfs: string
  readonly readonlyRootfs: boolean
  /** False: there is no /dev/shm (`--ipc none`). */
  readonly shm?: boolean
  /** Besides the defaults; of two for one destination the later wins, over a default too. */
  readonly mounts: OciMount[]
  readonly namespaces: {
    readonly network: { readonly path: string } | 'host' | 'private'
    readonly pid: NamespaceChoice
    readonly ipc: NamespaceChoice
    readonly uts: NamespaceChoice
    readonly cgroup: NamespaceChoice
  }
  readonly hostConfig: HostConfig
  /** Absolute in the cgroup trees. */
  readonly cgroupsPath: string
  /** Run under an init that reaps orphans and passes signals on. */
  readonly init: boolean
  readonly annotations?: Record<string, string>
  readonly kind: 'container' | 'build-step'
}

export type NamespaceChoice = 'private' | 'host' | { readonly path: string }

const initTarget = '/sbin/docker-init'
const defaultShmSize = 64 << 20

/** Docker's: what /proc and /sys would tell or let change about the host. */
export const maskedPaths: readonly string[] = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
/** Docker's. */
export const readonlyPaths: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]

/**
 * The runtime's config.json for a container as Docker would make it. Pure but for the facts of the host. Throws kind `invalid` or
 * `unsupported`, naming the option, for what cannot be had.
 */
export function buildSpec(i: SpecInput, facts: HostFacts = hostFacts()): OciSpec {
  const h = i.hostConfig
  const privileged = h.Privileged === true
  const security = parseSecurityOptions(h.SecurityOpt ?? [], facts)
  const capabilities = capabilitiesOf(h, facts)
  const seccomp = seccompFor(security.seccomp, { privileged, capabilities, arch: facts.arch })
  const open = privileged || security.systemPathsUnconfined
  const { nodes, rules } = ociDevices(h, facts)
  const mounts = allMounts(i, facts)
  const oomScoreAdj = oomScoreAdjOf(h)
  const propagation = rootPropagation(mounts)
  const sysctl = sysctls(i)
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: i.tty,
      ...(i.consoleSize && { consoleSize: { height: i.consoleSize[0], width: i.consoleSize[1] } }),
      user: { uid: i.user.uid, gid: i.user.gid, additionalGids: i.user.additionalGids },
      args: i.init ? [initTarget, '--', ...i.args] : i.args,
      env: i.env,
      cwd: i.cwd,
      capabilities: processCapabilities(i.user.uid, capabilities),
      noNewPrivileges: security.noNewPrivileges,
      ...(h.Ulimits?.length && { rlimits: h.Ulimits.map(rlimit) }),
      ...(security.apparmor !== undefined && { apparmorProfile: security.apparmor }),
      // Inherited from the daemon otherwise; lowering it takes a capability that the daemon may not have.
      ...(oomScoreAdj !== facts.oomScoreAdj && { oomScoreAdj }),
    },
    root: { path: i.rootfs, readonly: i.readonlyRootfs },
    ...(i.namespaces.uts !== 'host' && { hostname: i.hostname }),
    mounts,
    ...(i.annotations && { annotations: i.annotations }),
    linux: {
      namespaces: namespacesOf(i),
      ...(nodes.length > 0 && { devices: nodes }),
      cgroupsPath: i.cgroupsPath,
      resources: ociResources(h, facts, rules),
      ...(propagation && { rootfsPropagation: propagation }),
      ...(seccomp && { seccomp }),
      ...(Object.keys(sysctl).length > 0 && { sysctl }),
      // Docker: null is the default, an empty list is none.
      maskedPaths: open ? [] : (h.MaskedPaths ?? withThermal(facts)),
      readonlyPaths: open ? [] : (h.ReadonlyPaths ?? [...readonlyPaths]),
    },
  }
}

/** A process of user 0 holds them; any other user's only could through files that grant them, as after execve(2). */
function processCapabilities(uid: number, capabilities: readonly string[]): OciCapabilities {
  const set = [...capabilities]
  return uid === 0 ? { bounding: set, effective: set, permitted: set } : { bounding: set }
}

/**
 * The process of `exec`: the container's own with another command and what else is asked for. HOME follows the
 * user when the container's is derived (it stands last then), never when somebody chose it.
 */
export function execProcess(
  spec: OciSpec,
  o: {
    args: string[]
    /** Added to the container's; later ones win. */
    env: readonly string[]
    cwd?: string
    user?: ResolvedUser
    tty: boolean
    privileged: boolean
  },
  facts: HostFacts = hostFacts(),
): OciProcess {
  const { process } = spec
  const base = process.env.filter(
    (entry, index) => !(o.user && index === process.env.length - 1 && entry.startsWith('HOME=')),
  )
  const env = mergeEnv(base, o.env)
  const has = (name: string) => env.some((entry) => entry.startsWith(`${name}=`))
  if (o.tty && !has('TERM')) env.push('TERM=xterm')
  if (o.user && !has('HOME')) env.push(`HOME=${o.user.home}`)
  const user = o.user
    ? { uid: o.user.uid, gid: o.user.gid, additionalGids: o.user.additionalGids }
    : process.user
  const capabilities = o.privileged ? facts.capabilities : (process.capabilities.bounding ?? [])
  const { consoleSize: _size, rlimits, ...rest } = process
  return {
    ...rest,
    ...(rlimits && { rlimits }),
    terminal: o.tty,
    user,
    args: o.args,
    env,
    cwd: o.cwd ?? process.cwd,
    capabilities: processCapabilities(user.uid, capabilities),
  }
}

function mergeEnv(base: readonly string[], over: readonly string[]): string[] {
  const nameOf = (entry: string) => entry.split('=', 1)[0] ?? ''
  // Docker: a bare NAME takes the variable away.
  const names = new Set(over.map(nameOf))
  return [
    ...base.filter((entry) => !names.has(nameOf(entry))),
    ...over.filter((entry) => entry.includes('=')),
  ]
}

function namespacesOf(i: SpecInput): OciNamespace[] {
  const list: OciNamespace[] = [{ type: 'mount' }]
  for (const type of ['network', 'pid', 'ipc', 'uts', 'cgroup'] as const) {
    const choice = i.namespaces[type]
    if (choice === 'private') list.push({ type })
    else if (choice !== 'host') list.push({ type, path: choice.path })
  }
  return list
}

function allMounts(i: SpecInput, facts: HostFacts): OciMount[] {
  const byTarget = new Map(defaultMounts(i).map((mount) => [mount.destination, mount]))
  if (i.init) {
    if (facts.initPath === undefined)
      throw new EngineError('unsupported', '--init needs a statically linked init: install tini or catatonit')
    byTarget.set(initTarget, {
      destination: initTarget,
      type: 'bind',
      source: facts.initPath,
      options: ['bind', 'ro'],
    })
  }
  for (const mount of i.mounts) {
    // A later one for the same place replaces the default and takes its own place in the order.
    byTarget.delete(mount.destination)
    byTarget.set(mount.destination, mount)
  }
  const depth = (path: string) => path.split('/').filter(Boolean).length
  const order = [...byTarget.values()]
  return order.sort((a, b) => depth(a.destination) - depth(b.destination))
}

function defaultMounts(i: SpecInput): OciMount[] {
  const privileged = i.hostConfig.Privileged === true
  const access = privileged ? 'rw' : 'ro'
  const hostIpc = i.namespaces.ipc === 'host'
  const shmSize = i.hostConfig.ShmSize || defaultShmSize
  const mount = (destination: string, type: string, source: string, options: string): OciMount => ({
    destination,
    type,
    source,
    options: options.split(','),
  })
  const bind = (path: string) => mount(path, 'bind', path, 'rbind,nosuid,noexec,nodev')
  return [
    // proc of another pid namespace than the container's own shows that one's processes.
    mount('/proc', 'proc', 'proc', 'nosuid,noexec,nodev'),
    mount('/dev', 'tmpfs', 'tmpfs', 'nosuid,strictatime,mode=755,size=65536k'),
    // The kernel mounts sysfs only for the owner of the network namespace.
    mount('/sys', 'sysfs', 'sysfs', `nosuid,noexec,nodev,${access}`),
    mount('/dev/pts', 'devpts', 'devpts', 'nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5'),
    ...(i.shm === false
      ? []
      : [
          hostIpc
            ? bind('/dev/shm')
            : mount('/dev/shm', 'tmpfs', 'shm', `nosuid,noexec,nodev,mode=1777,size=${shmSize}`),
        ]),
    // It shows the queues of the IPC namespace it is mounted in: the host's too, which need not have it mounted itself.
    mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid,noexec,nodev'),
    mount('/sys/fs/cgroup', 'cgroup', 'cgroup', `nosuid,noexec,nodev,relatime,${access}`),
  ]
}

function withThermal(facts: HostFacts): string[] {
  const thermal: string[] = []
  for (let cpu = 0; cpu < facts.cpus; cpu++) {
    const path = `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`
    if (facts.exists(path)) thermal.push(path)
  }
  return [...maskedPaths, ...thermal]
}

/** A shared or slave mount needs a root that lets events through. */
function rootPropagation(mounts: readonly OciMount[]): string | undefined {
  const options = mounts.flatMap((mount) => mount.options)
  if (options.includes('shared') || options.includes('rshared')) return 'shared'
  if (options.includes('slave') || options.includes('rslave')) return 'rslave'
  return undefined
}

function sysctls(i: SpecInput): Record<string, string> {
  const asked = i.hostConfig.Sysctls ?? {}
  const ownNetwork = i.namespaces.network !== 'host'
  for (const name of Object.keys(asked)) {
    if (!ownNetwork && name.startsWith('net.'))
      throw new EngineError('invalid', `sysctl '${name}' not allowed in host network namespace`)
    if (i.namespaces.ipc === 'host' && /^(fs\.mqueue|kernel\.(msg|sem|shm))/.test(name))
      throw new EngineError('invalid', `sysctl '${name}' not allowed in host ipc namespace`)
    if (
      !/^(net\.|fs\.mqueue\.|kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced|domainname)$)/.test(
        name,
      )
    )
      throw new EngineError('invalid', `sysctl '${name}' is not whitelisted`)
  }
  return {
    // Docker: root in a container may bind any port and ping without capabilities; so may the others.
    ...(ownNetwork && {
      'net.ipv4.ip_unprivileged_port_start': '0',
      'net.ipv4.ping_group_range': '0 2147483647',
    }),
    ...(i.domainname && i.namespaces.uts !== 'host' && { 'kernel.domainname': i.domainname }),
    ...asked,
  }
}

const rlimitNames = [
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]

function rlimit(u: Ulimit): { type: string; soft: number; hard: number } {
  if (!rlimitNames.includes(u.Name)) throw new EngineError('invalid', `invalid ulimit type: ${u.Name}`)
  // -1 is "unlimited", which the runtime takes as the largest number; JSON keeps 2^53 exactly, and the kernel reads any
  // value beyond its own maximum as unlimited.
  const value = (n: number) => (n < 0 ? Number.MAX_SAFE_INTEGER : n)
  if (value(u.Soft) > value(u.Hard))
    throw new EngineError(
      'invalid',
      `ulimit soft limit must be less than or equal to hard limit: ${u.Soft} > ${u.Hard}`,
    )
  return { type: `RLIMIT_${u.Name.toUpperCase()}`, soft: value(u.Soft), hard: value(u.Hard) }
}
