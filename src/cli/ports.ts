import { messageOf } from '../lib/errors.ts'
import type { PortMap } from '../wire/container.ts'
import { splitCsv } from './run-values.ts'

interface Range {
  readonly start: number
  readonly end: number
}

/** Decodes `-p` values: `[ip:][hostPort[-end]]:containerPort[-end][/proto]` and `target=…,published=…,protocol=…`. */
export function parsePublished(values: readonly string[]): {
  ports: PortMap
  exposed: Record<string, object>
} {
  const ports: PortMap = {}
  const exposed: Record<string, object> = {}
  for (const value of values) {
    const text = value.includes('=') ? longForm(value) : value
    const slash = text.indexOf('/')
    const proto = slash < 0 ? 'tcp' : text.slice(slash + 1).toLowerCase()
    const { ip, host, container } = splitPort(slash < 0 ? text : text.slice(0, slash))
    if (container === '') throw new Error(`no port specified: ${text}<empty>`)
    if (!['tcp', 'udp', 'sctp'].includes(proto)) throw new Error(`invalid proto: ${proto}`)
    if (ip !== '' && !process.getBuiltinModule('node:net').isIP(ip))
      throw new Error(`invalid IP address: ${ip}`)
    const inside = range(container, 'containerPort')
    const outside = host === '' ? undefined : range(host, 'hostPort')
    const count = inside.end - inside.start
    const spread = outside ? outside.end - outside.start : 0
    // Docker: one container port may take any port of a host range; other ranges must be of one length.
    if (outside && count !== spread && count !== 0)
      throw new Error(`invalid ranges specified for container and host Ports: ${container} and ${host}`)
    for (let offset = 0; offset <= count; offset++) {
      const key = `${inside.start + offset}/${proto}`
      const hostPort = !outside ? '' : count === 0 && spread > 0 ? host : String(outside.start + offset)
      exposed[key] = {}
      ports[key] = [...(ports[key] ?? []), { HostIp: ip, HostPort: hostPort }]
    }
  }
  return { ports, exposed }
}

/** Decodes `--expose` values: `80`, `80/udp`, `8000-8010/tcp`. */
export function parseExposed(values: readonly string[]): Record<string, object> {
  const exposed: Record<string, object> = {}
  for (const value of values) {
    if (value.includes(':')) throw new Error(`invalid port format for --expose: ${value}`)
    const [ports = '', proto = 'tcp'] = value.split('/')
    let ends: Range
    try {
      ends = range(ports, 'containerPort')
    } catch (error) {
      throw new Error(`invalid range format for --expose: ${value}, error: ${messageOf(error)}`, {
        cause: error,
      })
    }
    for (let port = ends.start; port <= ends.end; port++) exposed[`${port}/${proto.toLowerCase()}`] = {}
  }
  return exposed
}

function splitPort(text: string): { ip: string; host: string; container: string } {
  const parts = text.split(':')
  const container = parts.pop() ?? ''
  const host = parts.pop() ?? ''
  return { ip: parts.join(':').replace(/^\[(.*)\]$/, '$1'), host, container }
}

function range(text: string, name: 'hostPort' | 'containerPort'): Range {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text)
  const start = Number(match?.[1])
  const end = Number(match?.[2] ?? match?.[1])
  if (!match || start > 65_535 || end > 65_535 || end < start) throw new Error(`invalid ${name}: ${text}`)
  return { start, end }
}

function longForm(text: string): string {
  let target = ''
  let published = ''
  let protocol = 'tcp'
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=')
    const key = field.slice(0, equals)
    const value = field.slice(equals + 1)
    if (key === 'target') target = value
    else if (key === 'published') published = value
    else if (key === 'protocol') protocol = value
    else if (key !== 'mode') throw new Error(`invalid field key: ${key || field}`)
    else if (value !== 'host' && value !== 'ingress') throw new Error(`invalid publish mode: ${value}`)
  }
  if (target === '') throw new Error('missing mandatory field "target"')
  return `${published === '' ? '' : `${published}:`}${target}/${protocol}`
}
