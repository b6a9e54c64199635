import { isIP, isIPv4 } from 'node:net'
import type { Config } from '../engine/index.ts'
import { EngineError } from '../lib/errors.ts'
import { isCidr4, type Settings } from './settings.ts'

const invalid = (message: string) => new EngineError('invalid', message)

/** The default bridge. Throws kind `invalid`. */
export function bridgeOf(s: Settings, name: string): Config['bridge'] {
  if (!/^[^\s/]{1,15}$/.test(name) || name === '.' || name === '..')
    throw invalid(`bridge ${JSON.stringify(name)} cannot name a network interface (1 to 15 characters)`)
  if (s.bip !== undefined && !isCidr4(s.bip))
    throw invalid(`bip ${JSON.stringify(s.bip)}: want an IPv4 address in CIDR form, as 172.20.0.1/16`)
  const mtu = s.mtu ?? 1500
  if (mtu < 68 || mtu > 65_535) throw invalid(`mtu ${mtu}: want 68 to 65535`)
  const range = s['fixed-cidr'] ?? ''
  if (range !== '' && !isCidr4(range))
    throw invalid(`fixed-cidr ${JSON.stringify(range)}: want an IPv4 block`)
  if (range !== '' && s.bip === undefined) throw invalid('fixed-cidr needs bip, whose block it is a part of')
  const publish = s.ip ?? ''
  if (publish !== '' && !isIPv4(publish)) throw invalid(`ip ${JSON.stringify(publish)}: want an IPv4 address`)
  return {
    name,
    address: s.bip ?? '',
    mtu,
    range,
    icc: s.icc ?? true,
    masquerade: s['ip-masq'] ?? true,
    hostBinding: publish === '0.0.0.0' ? '' : publish,
  }
}

/** What holds for all networks. */
export function networkDefaults(
  s: Settings,
): Pick<Config, 'ipForward' | 'relay' | 'hostGateway' | 'networkOptions'> {
  const relay = s['userland-proxy'] ?? true
  if (!relay && s['respect-host-firewall'] === true)
    throw invalid('respect-host-firewall needs the relay of published ports: leave userland-proxy on')
  const gateways = [...(s['host-gateway-ips'] ?? []), ...(s['host-gateway-ip'] ? [s['host-gateway-ip']] : [])]
  for (const address of gateways)
    if (isIP(address) === 0) throw invalid(`host-gateway-ip ${JSON.stringify(address)}: want an IP address`)
  if (gateways.length > 1)
    throw new EngineError('unsupported', `host-gateway-ips ${gateways.join(', ')}: one address is supported`)
  return {
    ipForward: s['ip-forward'] ?? true,
    relay,
    hostGateway: gateways[0] ?? '',
    networkOptions: s['default-network-opts'] ?? {},
  }
}
