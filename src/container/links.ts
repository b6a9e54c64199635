/**
 * `--link`. On the default bridge, which has no names: lines in /etc/hosts, and variables. On networks of the user's: names that one
 * container alone has for others.
 */
import { EngineError } from '../lib/errors.ts'
import type { HostConfig } from '../wire/container.ts'
import type { Container } from './container.ts'
import type { Host } from './host.ts'
import { exposedPorts } from './ports.ts'
import { isLive } from './state.ts'

/** Decodes `name`, `name:alias`, and what inspect shows: `/name:/own/alias`. */
function parseLink(text: string): { name: string; alias: string } {
  if (text === '') throw new EngineError('invalid', 'empty string specified for links')
  const [name = '', alias = name, ...more] = text.split(':')
  if (more.length > 0 || name === '' || alias === '')
    throw new EngineError('invalid', `bad format for links: ${text}`)
  return { name: name.replace(/^\//, ''), alias: alias.slice(alias.lastIndexOf('/') + 1) }
}

/** At create: the links of the default bridge, as docker shows them. Throws for those that can never work. */
export function planLinks(host: Host, o: { name: string; mode: string; hostConfig: HostConfig }): string[] {
  const links = o.hostConfig.Links ?? []
  if (links.length === 0) return []
  if (o.mode === 'host' || o.mode.startsWith('container:'))
    throw new EngineError(
      'invalid',
      `conflicting options: ${o.mode === 'host' ? 'host' : 'container'} type network can't be used with links. This would result in undefined behavior`,
    )
  // Docker: elsewhere those of the endpoint count.
  if (o.mode !== 'bridge') return []
  return links.map((text) => {
    const { name, alias } = parseLink(text)
    const child = find(host, name)
    if (child.networkMode === 'host')
      throw new EngineError('invalid', "conflicting options: host type networking can't be used with links")
    return `/${child.name}:/${o.name}/${alias}`
  })
}

/** Of an endpoint on a network of the user's: names of others by the container's own ones, in lower case as DNS has them. */
export function linkedNames(links: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    links.map((text) => {
      const { name, alias } = parseLink(text)
      return [alias.toLowerCase(), name.toLowerCase()]
    }),
  )
}

function find(host: Host, name: string): Container {
  try {
    return host.find(name)
  } catch (cause) {
    // Docker: 400. A 404 says of a create that the image is missing.
    throw new EngineError('invalid', `could not get container for ${name}: No such container: ${name}`, {
      cause,
    })
  }
}

interface Link {
  readonly alias: string
  readonly child: Container
  readonly ip: string
}

/** Throws kind `conflict` for a container that does not run. */
function linksOf(host: Host, c: Container): Link[] {
  return (c.hostConfig.Links ?? []).map((text) => {
    const { name, alias } = parseLink(text)
    const child = find(host, name)
    const ip = host.networks.sandbox(child.id)?.endpoints.find((e) => e.networkName === 'bridge')?.ip
    // One that starts has its address already.
    if (ip === undefined)
      throw new EngineError(
        'conflict',
        `Cannot link to a non running container: /${child.name} AS /${c.name}/${alias}`,
      )
    return { alias, child, ip }
  })
}

/** For the hosts file: `alias hostname name:address`. */
export function linkHosts(host: Host, c: Container): string[] {
  return linksOf(host, c).map(({ alias, child, ip }) => {
    const names = [alias, child.config.Hostname ?? '', child.name].filter((name) => name !== '')
    return `${[...new Set(names)].join(' ')}:${ip}`
  })
}

/** Docker's variables: `DB_PORT_5432_TCP_ADDR`, `DB_ENV_…`, … */
export function linkVariables(host: Host, c: Container): string[] {
  return linksOf(host, c).flatMap(({ alias, child, ip }) => {
    const prefix = alias.replaceAll('-', '_').toUpperCase()
    const ports = exposedPorts(child.config).toSorted(
      (a, b) => a.port - b.port || a.proto.localeCompare(b.proto),
    )
    const first = ports.find((p) => p.proto === 'tcp') ?? ports[0]
    return [
      `${prefix}_NAME=/${c.name}/${alias}`,
      ...(first ? [`${prefix}_PORT=${first.proto}://${ip}:${first.port}`] : []),
      ...ports.flatMap(({ port, proto }) => {
        const name = `${prefix}_PORT_${port}_${proto.toUpperCase()}`
        return [
          `${name}=${proto}://${ip}:${port}`,
          `${name}_ADDR=${ip}`,
          `${name}_PORT=${port}`,
          `${name}_PROTO=${proto}`,
        ]
      }),
      ...(child.config.Env ?? [])
        .filter((entry) => !/^(HOME|PATH)=/.test(entry))
        .map((entry) => `${prefix}_ENV_${entry}`),
    ]
  })
}

/** Those that run and link to it. */
export function linkedBy(host: Host, child: Container): Container[] {
  return host
    .all()
    .filter((c) => isLive(c.state) && c.hostConfig.Links?.some((text) => parseLink(text).name === child.name))
}
