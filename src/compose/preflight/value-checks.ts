/**
 * Values that every engine refuses, though the schema takes them: what is wrong with one, in docker's words where it has some.
 * Said before anything is made, with the place, instead of by the engine half-way.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { closest } from '../../lib/closest.ts'
import { messageOf } from '../../lib/errors.ts'
import { parseReference } from '../../lib/reference.ts'
import { parseSignal } from '../../lib/signals.ts'
import { PathTable } from '../path-table.ts'

/** Of a key or of a scalar's text; undefined: nothing is wrong. */
type Check = (text: string) => string | undefined

const ulimits =
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  )

/** capabilities(7); what a kernel adds later is left to the engine when nothing here is near it. */
const capabilities = (
  'AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID ' +
  'IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW ' +
  'PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO ' +
  'SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM ALL'
).split(' ')

const meant = (word: string, known: readonly string[]) => {
  const near = closest(word, known)
  return near === undefined ? '' : `; did you mean ${near}?`
}

const capability: Check = (text) => {
  const name = text.trim().toUpperCase().replace(/^CAP_/, '')
  return capabilities.includes(name)
    ? undefined
    : `unknown capability: ${JSON.stringify(text)}${meant(name, capabilities)}`
}

const address =
  (check: (text: string) => unknown, what: string): Check =>
  (text) =>
    check(text) ? undefined : `invalid ${what}: ${JSON.stringify(text)}`

const absolute =
  (what: string): Check =>
  (text) =>
    /^(?:\/|[A-Za-z]:\\)/.test(text) ? undefined : `${what} must be absolute, not ${JSON.stringify(text)}`

const subnet: Check = (text) => {
  const [ip = '', bits = '', more] = text.split('/')
  const width = { 0: 0, 4: 32, 6: 128 }[isIP(ip)] ?? 0
  return more === undefined && width > 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= width
    ? undefined
    : `invalid subnet ${text}: invalid CIDR block notation`
}

const policies = ['no', 'always', 'unless-stopped', 'on-failure']

const restart: Check = (text) => {
  const [name = '', count] = text.split(/:(.*)/s)
  if (name === '') return undefined
  if (!policies.includes(name))
    return `invalid restart policy: unknown policy '${name}'; use one of '${policies.join("', '")}'`
  if (count === undefined) return undefined
  if (name !== 'on-failure')
    return `invalid restart policy: maximum retry count can only be used with 'on-failure'`
  return /^\d+$/.test(count)
    ? undefined
    : `invalid restart policy: maximum retry count must be an integer, not ${JSON.stringify(count)}`
}

const refusedBy =
  (read: (text: string) => unknown): Check =>
  (text) => {
    try {
      read(text)
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

/** Scalars. Empty texts say nothing. */
export const valueChecks = new PathTable<Check>({
  'services.*.cap_add.[]': capability,
  'services.*.cap_drop.[]': capability,
  'services.*.dns.[]': address(isIP, 'IP address'),
  'services.*.image': refusedBy(parseReference),
  'services.*.mac_address': address(
    (text) => /^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text),
    'MAC address',
  ),
  'services.*.networks.*.ipv4_address': address(isIPv4, 'IPv4 address'),
  'services.*.networks.*.ipv6_address': address(isIPv6, 'IPv6 address'),
  'services.*.networks.*.link_local_ips.[]': address(isIP, 'IP address'),
  'services.*.networks.*.mac_address': address(
    (text) => /^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text),
    'MAC address',
  ),
  'services.*.ports.[].host_ip': address((text) => isIP(text) || text === 'localhost', 'IP address'),
  'services.*.restart': restart,
  'services.*.stop_signal': refusedBy(parseSignal),
  'services.*.tmpfs.[]': (text) => absolute('the target of a tmpfs')(text.split(':')[0] ?? ''),
  'services.*.volumes.[].target': absolute('the target of a mount'),
  'services.*.working_dir': absolute('the working directory'),
  'networks.*.ipam.config.[].subnet': subnet,
  'networks.*.ipam.config.[].gateway': address(isIP, 'IP address'),
})

/** Keys of mappings. */
export const keyChecks = new PathTable<Check>({
  'services.*.ulimits.*': (name) =>
    ulimits.includes(name) ? undefined : `invalid ulimit type: ${name}${meant(name, ulimits)}`,
})
