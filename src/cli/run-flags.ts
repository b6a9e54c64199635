/** Flags of `run` and `create`: all of docker's. What the API can carry is sent, and the daemon refuses what it does not obey. */
import { parseBinarySize, parseDuration } from '../lib/units.ts'
import { bool, int, list, string, value, type Flag } from './flags.ts'
import { parseDevice, parseMount, parseRatedDevice, parseUlimit } from './run-values.ts'

/** Bytes; undefined when not given. */
function bytes(help: string, extra: { short?: string; hidden?: boolean } = {}): Flag<number | undefined> {
  return value<number | undefined>('bytes', help, undefined, (text) => parseBinarySize(text), extra)
}

function duration(help: string): Flag<number | undefined> {
  return value<number | undefined>('duration', help, undefined, (text) => parseDuration(text), {
    shown: '0s',
  })
}

/** `key=value` pairs; a key alone has an empty value. */
export function map(help: string): Flag<Readonly<Record<string, string>>> {
  return value<Readonly<Record<string, string>>>(
    'map',
    help,
    {},
    (text, previous) => {
      const equals = text.indexOf('=')
      return {
        ...previous,
        [equals < 0 ? text : text.slice(0, equals)]: equals < 0 ? '' : text.slice(equals + 1),
      }
    },
    { shown: 'map[]' },
  )
}

/** Docker's client lets only those through that a container has for itself; the daemon looks again. */
function sysctls(help: string): Flag<Readonly<Record<string, string>>> {
  const plain = map(help)
  const own = new Set([
    'kernel.msgmax',
    'kernel.msgmnb',
    'kernel.msgmni',
    'kernel.sem',
    'kernel.shmall',
    'kernel.shmmax',
    'kernel.shmmni',
    'kernel.shm_rmid_forced',
  ])
  const read = (text: string, previous: Readonly<Record<string, string>>) => {
    const name = text.split('=', 1)[0] ?? ''
    if (!own.has(name) && !/^(net|fs\.mqueue)\./.test(name))
      throw new Error(`sysctl '${text}' is not allowed`)
    return plain.read(text, previous)
  }
  return { ...plain, read }
}

function labelled(text: string): string {
  if (text.startsWith('=')) throw new Error(`invalid label '${text}': empty name`)
  return text
}

function many<T>(kind: string, help: string, read: (text: string) => T, shown?: string): Flag<readonly T[]> {
  return value<readonly T[]>(
    kind,
    help,
    [],
    (text, previous) => [...previous, read(text)],
    shown === undefined ? {} : { shown },
  )
}

function nanoCpus(text: string): number {
  const match = /^\d+(?:\.(\d+))?$|^\.(\d+)$/.exec(text)
  if (!match) throw new Error(`failed to parse ${text} as a rational number`)
  if ((match[1] ?? match[2] ?? '').replace(/0+$/, '').length > 9) throw new Error('value is too precise')
  return Math.round(Number(text) * 1e9)
}

function stream(text: string): string {
  const name = text.toLowerCase()
  if (name !== 'stdin' && name !== 'stdout' && name !== 'stderr')
    throw new Error('valid streams are STDIN, STDOUT and STDERR')
  return name
}

function dnsAddress(text: string): string {
  if (!process.getBuiltinModule('node:net').isIP(text.trim()))
    throw new Error(`IP address is not correctly formatted: ${text}`)
  return text.trim()
}

/** Shared by `run` and `create`. */
export const createFlags = {
  'add-host': list('Add a custom host-to-IP mapping (host:ip)', { check: extraHost }),
  annotation: map('Add an annotation to the container (passed through to the OCI runtime)'),
  attach: list('Attach to STDIN, STDOUT or STDERR', { short: 'a', check: stream }),
  'blkio-weight': int('Block IO (relative weight), between 10 and 1000, or 0 to disable', {
    kind: 'uint16',
    shown: '0',
  }),
  'blkio-weight-device': many(
    'list',
    'Block IO weight (relative device weight)',
    (text) => parseRatedDevice(text, 'weight'),
    '[]',
  ),
  'cap-add': list('Add Linux capabilities'),
  'cap-drop': list('Drop Linux capabilities'),
  'cgroup-parent': string('Optional parent cgroup for the container'),
  cgroupns: string(
    "Cgroup namespace to use (host|private)\n'host':    Run the container in the Docker host's cgroup namespace\n'private': Run the container in its own private cgroup namespace\n'':        Use the cgroup namespace as configured by the\n           default-cgroupns-mode option on the daemon (default)",
  ),
  cidfile: string('Write the container ID to the file'),
  'cpu-count': int('CPU count (Windows only)', { hidden: true }),
  'cpu-percent': int('CPU percent (Windows only)', { hidden: true }),
  'cpu-period': int('Limit CPU CFS (Completely Fair Scheduler) period'),
  'cpu-quota': int('Limit CPU CFS (Completely Fair Scheduler) quota'),
  'cpu-rt-period': int('Limit CPU real-time period in microseconds'),
  'cpu-rt-runtime': int('Limit CPU real-time runtime in microseconds'),
  'cpu-shares': int('CPU shares (relative weight)', { short: 'c' }),
  cpus: value<number | undefined>('decimal', 'Number of CPUs', undefined, nanoCpus),
  'cpuset-cpus': string('CPUs in which to allow execution (0-3, 0,1)'),
  'cpuset-mems': string('MEMs in which to allow execution (0-3, 0,1)'),
  device: many('list', 'Add a host device to the container', parseDevice),
  'device-cgroup-rule': list('Add a rule to the cgroup allowed devices list', { check: deviceRule }),
  'device-read-bps': many(
    'list',
    'Limit read rate (bytes per second) from a device',
    (text) => parseRatedDevice(text, 'bytes'),
    '[]',
  ),
  'device-read-iops': many(
    'list',
    'Limit read rate (IO per second) from a device',
    (text) => parseRatedDevice(text, 'count'),
    '[]',
  ),
  'device-write-bps': many(
    'list',
    'Limit write rate (bytes per second) to a device',
    (text) => parseRatedDevice(text, 'bytes'),
    '[]',
  ),
  'device-write-iops': many(
    'list',
    'Limit write rate (IO per second) to a device',
    (text) => parseRatedDevice(text, 'count'),
    '[]',
  ),
  'disable-content-trust': bool('Skip image verification', { initial: true }),
  dns: list('Set custom DNS servers', { check: dnsAddress }),
  'dns-opt': list('Set DNS options', { hidden: true }),
  'dns-option': list('Set DNS options'),
  'dns-search': list('Set custom DNS search domains'),
  domainname: string('Container NIS domain name'),
  entrypoint: string('Overwrite the default ENTRYPOINT of the image'),
  env: list('Set environment variables', { short: 'e' }),
  'env-file': list('Read in a file of environment variables'),
  expose: list('Expose a port or a range of ports'),
  gpus: many('gpu-request', "GPU devices to add to the container ('all' to pass all GPUs)", (text) => text),
  'group-add': list('Add additional groups to join'),
  'health-cmd': string('Command to run to check health'),
  'health-interval': duration('Time between running the check (ms|s|m|h)'),
  'health-retries': int('Consecutive failures needed to report unhealthy'),
  'health-start-interval': duration('Time between running the check during the start period (ms|s|m|h)'),
  'health-start-period': duration(
    'Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)',
  ),
  'health-timeout': duration('Maximum time to allow one check to run (ms|s|m|h)'),
  hostname: string('Container host name', { short: 'h' }),
  init: bool('Run an init inside the container that forwards signals and reaps processes'),
  interactive: bool('Keep STDIN open even if not attached', { short: 'i' }),
  'io-maxbandwidth': bytes('Maximum IO bandwidth limit for the system drive (Windows only)', {
    hidden: true,
  }),
  'io-maxiops': int('Maximum IOps limit for the system drive (Windows only)', { kind: 'uint', hidden: true }),
  ip: string('IPv4 address (e.g., 172.30.100.104)'),
  ip6: string('IPv6 address (e.g., 2001:db8::33)'),
  ipc: string('IPC mode to use'),
  isolation: string('Container isolation technology'),
  'kernel-memory': bytes('Kernel memory limit'),
  label: list('Set meta data on a container', { short: 'l', check: labelled }),
  'label-file': list('Read in a line delimited file of labels'),
  link: list('Add link to another container'),
  'link-local-ip': list('Container IPv4/IPv6 link-local addresses'),
  'log-driver': string('Logging driver for the container'),
  'log-opt': list('Log driver options'),
  'mac-address': string('Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
  memory: bytes('Memory limit', { short: 'm' }),
  'memory-reservation': bytes('Memory soft limit'),
  'memory-swap': value<number | undefined>(
    'bytes',
    "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
    undefined,
    (text) => (text === '-1' ? -1 : parseBinarySize(text)),
  ),
  'memory-swappiness': int('Tune container memory swappiness (0 to 100)', { initial: -1 }),
  mount: many('mount', 'Attach a filesystem mount to the container', parseMount),
  name: string('Assign a name to the container'),
  net: list('Connect a container to a network', { hidden: true }),
  'net-alias': list('Add network-scoped alias for the container', { hidden: true }),
  network: list('Connect a container to a network', { kind: 'network' }),
  'network-alias': list('Add network-scoped alias for the container'),
  'no-healthcheck': bool('Disable any container-specified HEALTHCHECK'),
  'oom-kill-disable': bool('Disable OOM Killer'),
  'oom-score-adj': int("Tune host's OOM preferences (-1000 to 1000)"),
  pid: string('PID namespace to use'),
  'pids-limit': int('Tune container pids limit (set -1 for unlimited)'),
  platform: string('Set platform if server is multi-platform capable'),
  privileged: bool('Give extended privileges to this container'),
  publish: list("Publish a container's port(s) to the host", { short: 'p' }),
  'publish-all': bool('Publish all exposed ports to random ports', { short: 'P' }),
  pull: string('Pull image before running ("always", "missing", "never")', { initial: 'missing' }),
  quiet: bool('Suppress the pull output', { short: 'q' }),
  'read-only': bool("Mount the container's root filesystem as read only"),
  restart: string('Restart policy to apply when a container exits', { initial: 'no' }),
  rm: bool('Automatically remove the container and its associated anonymous volumes when it exits'),
  runtime: string('Runtime to use for this container'),
  'security-opt': list('Security Options'),
  'shm-size': bytes('Size of /dev/shm'),
  'stop-signal': string('Signal to stop the container'),
  'stop-timeout': int('Timeout (in seconds) to stop a container'),
  'storage-opt': list('Storage driver options for the container'),
  sysctl: sysctls('Sysctl options'),
  tmpfs: list('Mount a tmpfs directory'),
  tty: bool('Allocate a pseudo-TTY', { short: 't' }),
  ulimit: many('ulimit', 'Ulimit options', parseUlimit, '[]'),
  'use-api-socket': bool('Bind mount the API socket and required auth'),
  user: string('Username or UID (format: <name|uid>[:<group|gid>])', { short: 'u' }),
  userns: string('User namespace to use'),
  uts: string('UTS namespace to use'),
  volume: list('Bind mount a volume', { short: 'v' }),
  'volume-driver': string('Optional volume driver for the container'),
  'volumes-from': list('Mount volumes from the specified container(s)'),
  workdir: string('Working directory inside the container', { short: 'w' }),
}

/** `run` alone. */
export const runFlags = {
  ...createFlags,
  detach: bool('Run container in background and print container ID', { short: 'd' }),
  'detach-keys': string('Override the key sequence for detaching a container'),
  'sig-proxy': bool('Proxy received signals to the process', { initial: true }),
}

function extraHost(text: string): string {
  const match = /^([^:=]+)[:=](.+)$/.exec(text)
  if (!match) throw new Error(`bad format for add-host: ${JSON.stringify(text)}`)
  const address = (match[2] ?? '').replace(/^\[(.*)\]$/, '$1')
  if (address !== 'host-gateway' && !process.getBuiltinModule('node:net').isIP(address))
    throw new Error(`invalid IP address in add-host: ${JSON.stringify(address)}`)
  return `${match[1]}:${address}`
}

function deviceRule(text: string): string {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text))
    throw new Error(`invalid device cgroup format '${text}'`)
  return text
}
