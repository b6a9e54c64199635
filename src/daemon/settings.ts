import { isIP } from 'node:net'
import { z } from 'zod'
import { EngineError } from '../lib/errors.ts'
import { parseBinarySize } from '../lib/units.ts'
import type { Flags } from './flags.ts'
import { daemonOptions, unsupportedKeys, type DaemonOption } from './options.ts'
import { unknownKeys } from './unknown-keys.ts'

const text = z.string()
const texts = z.array(z.string())
const ulimit = z.strictObject({ Name: z.string(), Soft: z.int(), Hard: z.int() })

const size = z.union([z.int().nonnegative(), z.string().transform(parseBinarySize)])
/** Docker: `keepStorage` is the older name of `reservedSpace`. */
const gcPolicy = z.strictObject({
  all: z.boolean().exactOptional(),
  filter: texts.exactOptional(),
  keepStorage: size.exactOptional(),
  reservedSpace: size.exactOptional(),
  maxUsedSpace: size.exactOptional(),
  minFreeSpace: size.exactOptional(),
})
const proxies = z.strictObject({
  'http-proxy': text.exactOptional(),
  'https-proxy': text.exactOptional(),
  'no-proxy': text.exactOptional(),
})
/** BuildKit's: a number counts seconds. */
const duration = z.union([z.int().nonnegative(), z.string()])
const builder = z.strictObject({
  checks: text.exactOptional(),
  history: z
    .strictObject({
      maxAge: duration.exactOptional(),
      maxEntries: z.int().positive().exactOptional(),
      maxSize: size.exactOptional(),
    })
    .exactOptional(),
  gc: z
    .strictObject({
      enabled: z.boolean().exactOptional(),
      defaultKeepStorage: size.exactOptional(),
      defaultReservedSpace: size.exactOptional(),
      defaultMaxUsedSpace: size.exactOptional(),
      defaultMinFreeSpace: size.exactOptional(),
      policy: z.array(gcPolicy).exactOptional(),
    })
    .exactOptional(),
})

/** The keys of daemon.json, with docker's names and shapes. */
export const fileSchema = z.strictObject({
  hosts: texts.exactOptional(),
  'data-root': text.exactOptional(),
  'exec-root': text.exactOptional(),
  group: text.exactOptional(),
  pidfile: text.exactOptional(),
  'log-level': text.exactOptional(),
  debug: z.boolean().exactOptional(),
  bridge: text.exactOptional(),
  bip: text.exactOptional(),
  builder: builder.exactOptional(),
  'default-address-pools': z.array(z.strictObject({ base: z.string(), size: z.int() })).exactOptional(),
  mtu: z.int().exactOptional(),
  'respect-host-firewall': z.boolean().exactOptional(),
  'default-runtime': text.exactOptional(),
  runtimes: z.record(z.string(), z.strictObject({ path: z.string() })).exactOptional(),
  'cgroup-parent': text.exactOptional(),
  dns: texts.exactOptional(),
  'dns-opts': texts.exactOptional(),
  'dns-search': texts.exactOptional(),
  labels: texts.exactOptional(),
  init: z.boolean().exactOptional(),
  icc: z.boolean().exactOptional(),
  ip: text.exactOptional(),
  'ip-forward': z.boolean().exactOptional(),
  'ip-masq': z.boolean().exactOptional(),
  iptables: z.boolean().exactOptional(),
  ip6tables: z.boolean().exactOptional(),
  'firewall-backend': text.exactOptional(),
  'fixed-cidr': text.exactOptional(),
  'host-gateway-ip': text.exactOptional(),
  'host-gateway-ips': texts.exactOptional(),
  'userland-proxy': z.boolean().exactOptional(),
  'default-network-opts': z.record(z.string(), z.record(z.string(), z.string())).exactOptional(),
  'storage-driver': text.exactOptional(),
  'selinux-enabled': z.boolean().exactOptional(),
  'userns-remap': text.exactOptional(),
  'exec-opts': texts.exactOptional(),
  features: z.record(z.string(), z.boolean()).exactOptional(),
  experimental: z.boolean().exactOptional(),
  'live-restore': z.boolean().exactOptional(),
  'log-format': text.exactOptional(),
  'raw-logs': z.boolean().exactOptional(),
  'metrics-addr': text.exactOptional(),
  'oom-score-adjust': z.int().exactOptional(),
  'seccomp-profile': text.exactOptional(),
  'init-path': text.exactOptional(),
  'cdi-spec-dirs': texts.exactOptional(),
  'default-ipc-mode': text.exactOptional(),
  'default-cgroupns-mode': text.exactOptional(),
  'log-driver': text.exactOptional(),
  'log-opts': z.record(z.string(), z.string()).exactOptional(),
  'no-new-privileges': z.boolean().exactOptional(),
  'default-shm-size': z.union([z.int().positive(), z.string().transform(parseBinarySize)]).exactOptional(),
  'default-ulimits': z.record(z.string(), ulimit).exactOptional(),
  'shutdown-timeout': z.int().exactOptional(),
  'registry-mirrors': texts.exactOptional(),
  'insecure-registries': texts.exactOptional(),
  'certs-dir': text.exactOptional(),
  'max-concurrent-downloads': z.int().exactOptional(),
  'max-concurrent-uploads': z.int().exactOptional(),
  'max-download-attempts': z.int().exactOptional(),
  'http-proxy': text.exactOptional(),
  'https-proxy': text.exactOptional(),
  'no-proxy': text.exactOptional(),
  proxies: proxies.exactOptional(),
  offline: z.boolean().exactOptional(),
  /** Decoded by registry-settings.ts. */
  registry: z.looseObject({}).exactOptional(),
  tls: z.boolean().exactOptional(),
  tlsverify: z.boolean().exactOptional(),
  tlscacert: text.exactOptional(),
  tlscert: text.exactOptional(),
  tlskey: text.exactOptional(),
})

/** What flags and file say together, by daemon.json's names; absent keys have their defaults. */
export type Settings = z.infer<typeof fileSchema>

/** Decodes daemon.json. Throws kind `invalid` naming the file and the key at fault. */
export function parseConfigFile(path: string, content: string): Settings {
  const fail = (why: string, cause?: unknown) =>
    new EngineError('invalid', `unable to configure the daemon with file ${path}: ${why}`, { cause })
  if (content.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : 'not JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail('want a JSON object')
  const known = Object.keys(fileSchema.shape)
  const keys = Object.keys(value)
  const unsupported = keys.filter((key) => unsupportedKeys.includes(key))
  if (unsupported.length > 0)
    throw fail(
      `the following directives of dockerd are not supported by Gantry yet: ${unsupported.join(', ')}`,
    )
  const unknown = unknownKeys(keys, known)
  if (unknown !== undefined) throw fail(unknown)
  const result = fileSchema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw fail(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`)
}

/** Decodes flags into the file's shapes. Throws kind `invalid` naming the flag. */
export function settingsOfFlags(flags: Flags): Settings {
  const values: Record<string, unknown> = {}
  const options: readonly DaemonOption[] = daemonOptions
  for (const option of options) {
    const value = option.flag === undefined ? undefined : flags.get(option.flag)
    if (value !== undefined && option.key !== undefined) values[option.key] = decode(option, value)
  }
  const result = fileSchema.safeParse(values)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const flag = options.find((option) => option.key === issue?.path[0])?.flag ?? String(issue?.path[0])
  throw new EngineError('invalid', `--${flag}: ${issue?.message ?? 'invalid'}`)
}

/** Joins both; a key set on both sides is refused, as docker does: which one wins would be a guess. */
export function mergeSettings(path: string, file: Settings, flags: Settings): Settings {
  const both = Object.keys(file).filter((key) => key in flags)
  if (both.length > 0) {
    const values = (key: string, of: Settings) => JSON.stringify((of as Record<string, unknown>)[key])
    const list = both.map(
      (key) => `${key}: (from flag: ${values(key, flags)}, from file: ${values(key, file)})`,
    )
    throw new EngineError(
      'invalid',
      `unable to configure the daemon with file ${path}: the following directives are specified both as a flag and in the configuration file: ${list.join(', ')}`,
    )
  }
  return { ...file, ...flags }
}

function decode(option: DaemonOption, value: string | boolean | readonly string[]): unknown {
  const fail = (why: string) =>
    new EngineError(
      'invalid',
      `invalid argument ${JSON.stringify(value)} for "--${option.flag}" flag: ${why}`,
    )
  const list = Array.isArray(value) ? (value as readonly string[]) : []
  switch (option.type) {
    case 'string':
    case 'boolean':
    case 'level':
    case 'list':
    case 'builder':
    case 'proxies':
    case 'registry':
      return value
    case 'integer':
      if (!/^-?\d+$/.test(String(value))) throw fail('want a whole number')
      return Number(value)
    case 'size':
      return parseBinarySize(String(value))
    case 'ulimits':
      return Object.fromEntries(
        list.map((entry) => {
          const match = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(entry)
          if (!match?.[1]) throw fail('want name=soft[:hard]')
          const [, name, soft, hard] = match
          return [name, { Name: name, Soft: Number(soft), Hard: Number(hard ?? soft) }]
        }),
      )
    case 'map':
      return Object.fromEntries(
        list.map((entry) => {
          const equals = entry.indexOf('=')
          if (equals < 1) throw fail('want key=value')
          return [entry.slice(0, equals), entry.slice(equals + 1)]
        }),
      )
    case 'features':
      return Object.fromEntries(
        list.map((entry) => {
          const [, name = '', value = 'true'] = /^([\w-]+)(?:=(true|false))?$/.exec(entry) ?? []
          if (name === '') throw fail('want name=true or name=false')
          return [name, value === 'true']
        }),
      )
    case 'network-options': {
      const options: Record<string, Record<string, string>> = {}
      for (const entry of list) {
        const [, driver = '', key = '', text = ''] = /^([^=]+)=([^=]+)=(.*)$/.exec(entry) ?? []
        if (driver === '') throw fail('want driver=option=value')
        options[driver] = { ...options[driver], [key]: text }
      }
      return options
    }
    case 'pools':
      return list.map((entry) => {
        const match = /^(?:base=([^,]+),size=(\d+)|size=(\d+),base=([^,]+))$/.exec(entry)
        if (!match) throw fail('want base=CIDR,size=BITS')
        return { base: match[1] ?? match[4], size: Number(match[2] ?? match[3]) }
      })
    case 'runtimes':
      return Object.fromEntries(
        list.map((entry) => {
          const [name = '', path = ''] = entry.split('=', 2)
          if (name === '' || path === '') throw fail('want name=path')
          return [name, { path }]
        }),
      )
  }
}

/** An IPv4 address with its prefix length. */
export function isCidr4(value: string): boolean {
  const [address = '', prefix = ''] = value.split('/')
  return isIP(address) === 4 && /^\d{1,2}$/.test(prefix) && Number(prefix) <= 32
}
