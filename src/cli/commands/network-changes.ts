/** The `network` commands that make, change and remove. */
import type { EndpointSettings } from '../../wire/container.ts'
import { command, ExitError, forEach } from '../command.ts'
import { filter } from '../common-flags.ts'
import { readPairs, toMap } from '../env.ts'
import { bool, int, list, string } from '../flags.ts'
import { readFilters } from '../format.ts'
import { map } from '../run-flags.ts'
import { confirm } from '../text.ts'
import { consolidateSubnets } from './network-subnets.ts'

export const create = command({
  usage: '[OPTIONS] NETWORK',
  arguments: [1, 1],
  flags: {
    attachable: bool('Enable manual container attachment'),
    'aux-address': map('Auxiliary IPv4 or IPv6 addresses used by Network driver'),
    'config-from': string('The network from which to copy the configuration'),
    'config-only': bool('Create a configuration only network'),
    driver: string('Driver to manage the Network', { short: 'd', initial: 'bridge' }),
    gateway: list('IPv4 or IPv6 Gateway for the master subnet', { kind: 'strings' }),
    ingress: bool('Create swarm routing-mesh network'),
    internal: bool('Restrict external access to the network'),
    'ip-range': list('Allocate container ip from a sub-range', { kind: 'strings' }),
    'ipam-driver': string('IP Address Management Driver', { initial: 'default' }),
    'ipam-opt': map('Set IPAM driver specific options'),
    ipv4: bool('Enable or disable IPv4 address assignment', { initial: true }),
    ipv6: bool('Enable or disable IPv6 address assignment'),
    label: list('Set metadata on a network'),
    opt: { ...map('Set driver specific options'), short: 'o' },
    scope: string("Control the network's scope"),
    subnet: list('Subnet in CIDR format that represents a network segment', { kind: 'strings' }),
  },
  async run(context, flags, [name = ''], given) {
    const split = (values: readonly string[]) => values.flatMap((text) => text.split(','))
    const { Id, Warning } = await context.client.networks.create({
      Name: name,
      Driver: flags.driver,
      ...(flags.scope !== '' && { Scope: flags.scope }),
      // Older daemons refuse what they do not know.
      ...(given.has('ipv4') && { EnableIPv4: flags.ipv4 }),
      ...(given.has('ipv6') && { EnableIPv6: flags.ipv6 }),
      IPAM: {
        Driver: flags['ipam-driver'],
        Config: consolidateSubnets({
          subnets: split(flags.subnet),
          ranges: split(flags['ip-range']),
          gateways: split(flags.gateway),
          aux: flags['aux-address'],
        }),
        Options: { ...flags['ipam-opt'] },
      },
      Internal: flags.internal,
      Ingress: flags.ingress,
      Attachable: flags.attachable,
      ConfigOnly: flags['config-only'],
      ...(flags['config-from'] !== '' && { ConfigFrom: { Network: flags['config-from'] } }),
      Options: { ...flags.opt },
      Labels: toMap(readPairs([], flags.label)),
    })
    if (Warning) context.err(`WARNING: ${Warning}\n`)
    context.out(`${Id}\n`)
  },
})

export const connect = command({
  usage: '[OPTIONS] NETWORK CONTAINER',
  arguments: [2, 2],
  flags: {
    alias: list('Add network-scoped alias for the container', { kind: 'strings' }),
    'driver-opt': list('driver options for the network', { kind: 'strings' }),
    'gw-priority': int(
      'Highest gw-priority provides the default gateway. Accepts positive and negative values.',
    ),
    ip: string('IPv4 address (e.g., "172.30.100.104")'),
    ip6: string('IPv6 address (e.g., "2001:db8::33")'),
    link: list('Add link to another container'),
    'link-local-ip': list('Add a link-local address for the container', { kind: 'strings' }),
  },
  async run(context, flags, [network = '', container = '']) {
    const split = (values: readonly string[]) => values.flatMap((text) => text.split(','))
    const options = split(flags['driver-opt'])
    if (options.some((option) => !option.includes('=')))
      throw new ExitError(1, 'invalid key/value pair format in driver options')
    const addresses = {
      ...(flags.ip !== '' && { IPv4Address: flags.ip }),
      ...(flags.ip6 !== '' && { IPv6Address: flags.ip6 }),
      ...(flags['link-local-ip'].length > 0 && { LinkLocalIPs: split(flags['link-local-ip']) }),
    }
    const settings: EndpointSettings = {
      ...(Object.keys(addresses).length > 0 && { IPAMConfig: addresses }),
      ...(flags.alias.length > 0 && { Aliases: split(flags.alias) }),
      ...(flags.link.length > 0 && { Links: [...flags.link] }),
      ...(options.length > 0 && { DriverOpts: toMap(options) }),
      ...(flags['gw-priority'] !== 0 && { GwPriority: flags['gw-priority'] }),
    }
    await context.client.networks.connect(network, container, settings)
  },
})

export const disconnect = command({
  usage: '[OPTIONS] NETWORK CONTAINER',
  arguments: [2, 2],
  flags: { force: bool('Force the container to disconnect from a network', { short: 'f' }) },
  async run(context, flags, [network = '', container = '']) {
    await context.client.networks.disconnect(network, container, { force: flags.force })
  },
})

export const rm = command({
  usage: 'NETWORK [NETWORK...]',
  arguments: [1, Infinity],
  flags: { force: bool('Do not error if the network does not exist', { short: 'f' }) },
  run: (context, flags, names) =>
    forEach(context, names, async (name) => {
      try {
        await context.client.networks.remove(name)
      } catch (error) {
        if (!flags.force || !isMissing(error)) throw error
        return undefined
      }
      return name
    }),
})

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'status' in error && error.status === 404

export const prune = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    filter: filter('Provide filter values (e.g. "until=<timestamp>")'),
    force: bool('Do not prompt for confirmation', { short: 'f' }),
  },
  async run(context, flags) {
    const warning = 'This will remove all custom networks not used by at least one container.'
    if (!flags.force && !(await confirm(`WARNING! ${warning}\nAre you sure you want to continue?`)))
      throw new ExitError(1)
    const { NetworksDeleted } = await context.client.networks.prune(readFilters(flags.filter))
    if (NetworksDeleted?.length) context.out(`Deleted Networks:\n${NetworksDeleted.join('\n')}\n\n`)
  },
})
