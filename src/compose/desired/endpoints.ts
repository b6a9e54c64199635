/** A container in its networks: addresses, names by which others find it, links. */
import type { EndpointSettings } from '../../wire/container.ts'
import type { ContainerIdentity } from '../labels.ts'
import type { Service } from '../model/service-model.ts'
import { containerName, scaleOf } from './names.ts'

interface EndpointOptions extends ContainerIdentity {
  readonly serviceAliases?: boolean
}

/** Docker: the first by `priority`, then by name, is what the engine calls the container's network mode. */
function networksByPriority(service: Service): string[] {
  const priority = (key: string) => service.networks.get(key)?.priority ?? 0
  return [...service.networks.keys()].toSorted((a, b) => priority(b) - priority(a) || (a < b ? -1 : 1))
}

export function primaryNetwork(service: Service): string | undefined {
  return networksByPriority(service)[0]
}

export function endpoints(
  o: EndpointOptions,
  links: readonly string[],
): { mode: string; config: Record<string, EndpointSettings> | null } {
  const { service, project } = o
  if (service.network_mode !== '') return { mode: service.network_mode, config: null }
  const [primary, ...others] = networksByPriority(service)
  if (primary === undefined) return { mode: 'none', config: null }
  const nameOf = (key: string) => project.networks.get(key)?.name ?? key
  const config: Record<string, EndpointSettings> = {}
  for (const key of [...others, primary]) config[nameOf(key)] = endpoint(o, key, links)
  const own = config[nameOf(primary)]
  if (own && !own.MacAddress) own.MacAddress = service.mac_address
  return { mode: nameOf(primary), config }
}

const interfaceName = 'com.docker.network.endpoint.ifname'

function endpoint(o: EndpointOptions, key: string, links: readonly string[]): EndpointSettings {
  const { service, name, number, project, serviceAliases = true } = o
  const settings = service.networks.get(key) ?? undefined
  const own = containerName(project, { name, service, number })
  const driverOptions = {
    ...Object.fromEntries(settings?.driver_opts ?? []),
    ...(settings?.interface_name && { [interfaceName]: settings.interface_name }),
  }
  return {
    IPAMConfig: settings
      ? {
          ...(settings.ipv4_address && { IPv4Address: settings.ipv4_address }),
          ...(settings.ipv6_address && { IPv6Address: settings.ipv6_address }),
          ...(settings.link_local_ips.length > 0 && { LinkLocalIPs: [...settings.link_local_ips] }),
        }
      : null,
    Links: links.length > 0 ? [...links] : null,
    Aliases: serviceAliases ? [own, name, ...(settings?.aliases ?? [])] : [own],
    MacAddress: settings?.mac_address ?? '',
    DriverOpts: Object.keys(driverOptions).length > 0 ? driverOptions : null,
    ...(settings?.gw_priority && { GwPriority: settings.gw_priority }),
  }
}

/** Docker: a linked service is known by its name or the link's, by its number, and by its container's name. */
export function linksOf({ project, service, number }: ContainerIdentity): string[] {
  const own = service.links.flatMap((link) => {
    const [other = '', alias = other] = link.split(':')
    const linked = project.services.get(other)
    if (!linked) return []
    const containers = Array.from({ length: scaleOf(linked) }, (_, index) =>
      containerName(project, { name: other, service: linked, number: index + 1 }),
    )
    return containers.flatMap((name) => [
      `${name}:${alias}`,
      `${name}:${other}-${number}`,
      `${name}:${[project.name, other, number].join(project.separator)}`,
    ])
  })
  const external = service.external_links.map((link) => {
    const [other = '', alias = other] = link.split(':')
    return `${other}:${alias}`
  })
  return [...own, ...external]
}
