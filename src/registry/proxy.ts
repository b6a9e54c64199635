import { BlockList, isIP } from 'node:net'
import type { Proxies } from './settings.ts'

/** As other programs of the host reach the world. */
export function proxiesOf(environment: Readonly<Record<string, string | undefined>>): Proxies {
  const value = (name: string) => environment[name] ?? environment[name.toLowerCase()] ?? ''
  return { http: value('HTTP_PROXY'), https: value('HTTPS_PROXY'), no: value('NO_PROXY') }
}

/** The proxy for a URL; undefined when it is reached directly. Go's rules, which docker's daemon follows. */
export function proxyFor(url: URL, proxies: Proxies): string | undefined {
  const proxy = url.protocol === 'https:' ? proxies.https : proxies.http
  if (proxy === '' || bypasses(url, proxies.no)) return undefined
  // As curl and Go: a proxy without a scheme speaks HTTP.
  return proxy.includes('://') ? proxy : `http://${proxy}`
}

/** `*`, names (with their subdomains), `.suffixes`, addresses, CIDR; each with or without a port. Loopback never has a proxy. */
function bypasses(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  if (host === 'localhost' || isLoopback(host)) return true
  return list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
    .some((entry) => matches(entry, { host, port }))
}

function matches(entry: string, { host, port }: { host: string; port: string }): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return inNetwork(host, entry)
  const [, name = entry, ownPort] = /^(.*?|\[.*\]):(\d+)$/.exec(isIP(entry) === 0 ? entry : '') ?? []
  if (ownPort !== undefined && ownPort !== port) return false
  const bare = name.replace(/^\[|\]$/g, '').replace(/^\*(?=\.)/, '')
  if (bare.startsWith('.')) return host.endsWith(bare)
  return host === bare || host.endsWith(`.${bare}`)
}

/** Whether an address is in a network written as CIDR; names never are. */
export function inNetwork(address: string, cidr: string): boolean {
  const family = isIP(address)
  const [base = '', bits = ''] = cidr.split('/')
  if (
    family === 0 ||
    isIP(base) !== family ||
    !/^\d{1,3}$/.test(bits) ||
    Number(bits) > (family === 4 ? 32 : 128)
  )
    return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const block = new BlockList()
  block.addSubnet(base, Number(bits), type)
  return block.check(address, type)
}

export const isLoopback = (address: string): boolean => inNetwork(address, '127.0.0.0/8') || address === '::1'
