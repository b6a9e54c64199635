/** Bodies that make a project's networks and volumes, and the hashes by which a change of their configuration is seen. */
import { createHash } from 'node:crypto'
import type { NetworkCreateBody } from '../../wire/system.ts'
import { resourceLabels } from '../labels.ts'
import {
  network as networkShape,
  volume as volumeShape,
  type Network,
  type Project,
  type Volume,
} from '../model/project-model.ts'
import type { Out } from '../out.ts'
import { writeJson } from '../write-json.ts'

export function networkHash(network: Network): string {
  return hashOf(networkShape.write(network, 'json'))
}

/** Docker: no driver is `local`. */
export function volumeHash(volume: Volume): string {
  return hashOf(volumeShape.write({ ...volume, driver: volume.driver || 'local' }, 'json'))
}

function hashOf(out: Out | undefined): string {
  return createHash('sha256')
    .update(writeJson(out ?? new Map()))
    .digest('hex')
}

export function networkBody(project: Project, key: string, network: Network): NetworkCreateBody {
  const { ipam } = network
  const asked = ipam.driver !== '' || ipam.config.length > 0
  return {
    Name: network.name,
    Driver: network.driver,
    ...(network.enable_ipv4 !== undefined && { EnableIPv4: network.enable_ipv4 }),
    ...(network.enable_ipv6 !== undefined && { EnableIPv6: network.enable_ipv6 }),
    ...(asked && {
      IPAM: {
        Driver: ipam.driver,
        Config: ipam.config.map((pool) => ({
          ...(pool.subnet !== '' && { Subnet: pool.subnet }),
          ...(pool.ip_range !== '' && { IPRange: pool.ip_range }),
          ...(pool.gateway !== '' && { Gateway: pool.gateway }),
          ...(pool.aux_addresses.size > 0 && {
            AuxiliaryAddresses: Object.fromEntries(pool.aux_addresses),
          }),
        })),
      },
    }),
    Internal: network.internal,
    Attachable: network.attachable,
    ...(network.driver_opts.size > 0 && { Options: Object.fromEntries(network.driver_opts) }),
    Labels: {
      ...Object.fromEntries(network.labels),
      ...resourceLabels('network', { project, key, hash: networkHash(network) }),
    },
  }
}

export interface VolumeBody {
  readonly Name: string
  readonly Driver: string
  readonly DriverOpts: Record<string, string>
  readonly Labels: Record<string, string>
}

export function volumeBody(project: Project, key: string, volume: Volume): VolumeBody {
  return {
    Name: volume.name,
    Driver: volume.driver,
    DriverOpts: Object.fromEntries(volume.driver_opts),
    Labels: {
      ...Object.fromEntries(volume.labels),
      ...resourceLabels('volume', { project, key, hash: volumeHash(volume) }),
    },
  }
}
