/** Configuration networks (docker: `--config-only`): what a network will be, for others to be made from (`--config-from`). */
import { EngineError } from '../lib/errors.ts'
import { readSubnets, type NetworkRequest } from './definition.ts'
import type { NetworkRecord } from './record.ts'

/** What a network of configuration alone keeps. Throws what docker throws for the fields that it cannot have. */
export function configurationOf(o: NetworkRequest): NonNullable<NetworkRecord['configuration']> {
  if (o.configFrom)
    throw new EngineError(
      'forbidden',
      'a configuration network cannot depend on another configuration network',
    )
  if (o.internal || o.attachable || o.scope)
    throw new EngineError(
      'forbidden',
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    )
  readSubnets(o)
  return { ipv4: o.ipv4, ipv6: o.ipv6, subnets: o.subnets.map((subnet) => ({ ...subnet })) }
}

/** The request with what it takes from its configuration network, if it names one. */
export function configured(o: NetworkRequest, networks: readonly NetworkRecord[]): NetworkRequest {
  if (!o.configFrom) return o
  if (
    o.ipv6 ||
    !o.ipv4 ||
    o.subnets.length > 0 ||
    Object.keys(o.labels).length > 0 ||
    Object.keys(o.ipamOptions ?? {}).length > 0
  )
    throw new EngineError(
      'forbidden',
      'user specified configurations are not supported if the network depends on a configuration network',
    )
  if (Object.keys(o.options).length > 0)
    throw new EngineError(
      'forbidden',
      'network driver options are not supported if the network depends on a configuration network',
    )
  // Docker: by its name alone.
  const source = networks.find((n) => n.name === o.configFrom)
  if (!source?.configuration)
    throw new EngineError('not-found', `configuration network ${JSON.stringify(o.configFrom)} does not exist`)
  const { options, labels, ipamOptions } = source
  return { ...o, ...source.configuration, options, labels, ipamOptions }
}

/** Throws while networks are there that were made from it. */
export function checkUnused(record: NetworkRecord, networks: readonly NetworkRecord[]): void {
  if (record.configuration && networks.some((n) => n.configFrom === record.name))
    throw new EngineError(
      'forbidden',
      `error while removing network: configuration network ${JSON.stringify(record.name)} is in use`,
    )
}
