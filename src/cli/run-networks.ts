/** From `--network` and its companions to the endpoints of a new container, by docker's rules. */
import type { EndpointSettings } from '../wire/container.ts'
import { pair, splitCsv } from './run-values.ts'

export interface NetworkFlags {
  readonly network: readonly string[]
  readonly net: readonly string[]
  readonly 'network-alias': readonly string[]
  readonly 'net-alias': readonly string[]
  readonly ip: string
  readonly ip6: string
  readonly link: readonly string[]
  readonly 'link-local-ip': readonly string[]
  readonly 'mac-address': string
}

/** The flags without a network's name are for the first network. */
export function networking(flags: NetworkFlags): {
  mode: string
  endpoints: Record<string, EndpointSettings>
} {
  const networks = [...flags.network, ...flags.net].map(parseNetwork)
  const first = networks[0] ?? { name: 'default', settings: {} }
  const mac = flags['mac-address']
  if (mac !== '' && !/^[\da-f]{2}([:-][\da-f]{2}){5}$/i.test(mac))
    throw new Error(`${mac} is not a valid mac address`)
  if ([...flags['network-alias'], ...flags['net-alias']].length > 0 && !isOwn(first.name))
    throw new Error('network-scoped aliases are only supported for user-defined networks')
  const all = [{ name: first.name, settings: withFlags(first.settings, flags) }, ...networks.slice(1)]
  const endpoints: Record<string, EndpointSettings> = {}
  for (const { name, settings } of all) {
    if (Object.hasOwn(endpoints, name))
      throw new Error(`network ${JSON.stringify(name)} is specified multiple times`)
    // A network alone that nothing is said of: its name as the mode is enough.
    if (all.length > 1 || Object.keys(settings).length > 0) endpoints[name] = settings
  }
  if (all.length > 1 && all.some((n) => isOwn(n.name)) && !all.every((n) => isOwn(n.name)))
    throw new Error('conflicting options: cannot attach both user-defined and non-user-defined network-modes')
  return { mode: networks[0]?.name ?? '', endpoints }
}

const isOwn = (name: string): boolean =>
  !['default', 'bridge', 'host', 'none'].includes(name) && !name.startsWith('container:')

function withFlags(settings: EndpointSettings, flags: NetworkFlags): EndpointSettings {
  const aliases = [...flags['network-alias'], ...flags['net-alias']]
  const { IPAMConfig: own } = settings
  const both = (flag: string, what: string) =>
    new Error(`conflicting options: cannot specify both --${flag} and per-network ${what}`)
  if (aliases.length > 0 && settings.Aliases) throw both('network-alias', 'alias')
  if (flags.ip !== '' && own?.IPv4Address) throw both('ip', 'IPv4 address')
  if (flags.ip6 !== '' && own?.IPv6Address) throw both('ip6', 'IPv6 address')
  if (flags['mac-address'] !== '' && settings.MacAddress) throw both('mac-address', 'MAC address')
  if (flags['link-local-ip'].length > 0 && own?.LinkLocalIPs)
    throw both('link-local-ip', 'link-local IP addresses')
  const addresses = {
    ...own,
    ...(flags.ip !== '' && { IPv4Address: flags.ip }),
    ...(flags.ip6 !== '' && { IPv6Address: flags.ip6 }),
    ...(flags['link-local-ip'].length > 0 && { LinkLocalIPs: [...flags['link-local-ip']] }),
  }
  return {
    ...settings,
    ...(aliases.length > 0 && { Aliases: aliases }),
    ...(flags.link.length > 0 && { Links: [...flags.link] }),
    ...(Object.keys(addresses).length > 0 && { IPAMConfig: addresses }),
    ...(flags['mac-address'] !== '' && { MacAddress: flags['mac-address'] }),
  }
}

/** `name` or `name=x,alias=a,ip=…,ip6=…,mac-address=…,link-local-ip=…,driver-opt=k=v,gw-priority=n`. */
function parseNetwork(text: string): { name: string; settings: EndpointSettings } {
  if (!/\w+=\w+/.test(text)) return { name: text, settings: {} }
  let name = ''
  const settings: EndpointSettings = {}
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=')
    const key = field.slice(0, equals).trim().toLowerCase()
    const value = field.slice(equals + 1).trim()
    if (equals < 0) throw new Error(`invalid field ${field}`)
    if (key === 'name') name = value
    else if (key === 'alias') settings.Aliases = [...(settings.Aliases ?? []), value]
    else if (key === 'ip') settings.IPAMConfig = { ...settings.IPAMConfig, IPv4Address: value }
    else if (key === 'ip6') settings.IPAMConfig = { ...settings.IPAMConfig, IPv6Address: value }
    else if (key === 'mac-address') settings.MacAddress = value
    else if (key === 'driver-opt') settings.DriverOpts = { ...settings.DriverOpts, ...driverOption(value) }
    else if (key === 'gw-priority') settings.GwPriority = gwPriority(value)
    else if (key === 'link-local-ip')
      settings.IPAMConfig = {
        ...settings.IPAMConfig,
        LinkLocalIPs: [...(settings.IPAMConfig?.LinkLocalIPs ?? []), value],
      }
    else throw new Error(`invalid field key ${key}`)
  }
  if (name === '') throw new Error('network name/id is not specified')
  return { name, settings }
}

function driverOption(text: string): Record<string, string> {
  if (!text.includes('=')) throw new Error('invalid key value pair format in driver options')
  return pair(text)
}

function gwPriority(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new Error(`invalid gw-priority (${text}): value must be an integer`)
  return Number(text)
}
