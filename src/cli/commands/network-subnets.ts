import type { IpamConfig } from '../../wire/system.ts'

const { BlockList, isIP, isIPv6 } = process.getBuiltinModule('node:net')

/** Docker: ranges, gateways and auxiliary addresses find the subnet that they belong to. */
export function consolidateSubnets(o: {
  subnets: readonly string[]
  ranges: readonly string[]
  gateways: readonly string[]
  aux: Readonly<Record<string, string>>
}): IpamConfig[] {
  if (o.subnets.length < o.ranges.length || o.subnets.length < o.gateways.length)
    throw new Error('every ip-range or gateway must have a corresponding subnet')
  const configs: IpamConfig[] = []
  for (const subnet of o.subnets) {
    for (const { Subnet: other = '' } of configs)
      if (has(other, subnet) || has(subnet, other))
        throw new Error('multiple overlapping subnet configuration is not supported')
    configs.push({ Subnet: subnet })
  }
  const owner = (text: string, what: string): IpamConfig => {
    const found = configs.find(({ Subnet: subnet = '' }) => has(subnet, text))
    if (!found) throw new Error(`no matching subnet for ${what} ${text}`)
    return found
  }
  for (const range of o.ranges) {
    const config = owner(range, 'range')
    if (config.IPRange)
      throw new Error(
        `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet ?? ''})`,
      )
    config.IPRange = range
  }
  for (const gateway of o.gateways) {
    const config = owner(gateway, 'gateway')
    if (config.Gateway)
      throw new Error(
        `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet ?? ''})`,
      )
    config.Gateway = gateway
  }
  for (const [name, address] of Object.entries(o.aux)) {
    const config = owner(address, 'aux-address')
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address }
  }
  return configs
}

/** The block holds the address, or the first one of another block. */
function has(block: string, text: string): boolean {
  const [first = '', bits = ''] = block.split('/')
  const address = text.replace(/\/.*$/, '')
  if (isIP(first) === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (isIPv6(first) ? 128 : 32))
    throw new Error(`invalid CIDR address: ${block}`)
  if (isIP(address) === 0) throw new Error(`invalid address: ${text}`)
  if (isIPv6(address) !== isIPv6(first)) return false
  const family = isIPv6(first) ? 'ipv6' : 'ipv4'
  const list = new BlockList()
  list.addSubnet(first, Number(bits), family)
  return list.check(address, family)
}
