import { isIPv4, isIPv6 } from 'node:net'
import { EngineError } from '../lib/errors.ts'
import { addressBytes, addressText } from '../host/rtnetlink.ts'

/** A block of addresses of either family. `first` is its lowest address. */
export interface Cidr {
  readonly family: 4 | 6
  readonly first: bigint
  readonly prefix: number
}

/** Decodes `172.17.0.0/16` or `fd00::/64`, host bits dropped; throws kind `invalid`. */
export function parseCidr(text: string): Cidr {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text)
  const [, address = '', digits = ''] = match ?? []
  const family = familyOf(address)
  const prefix = Number(digits)
  if (!match || family === undefined || prefix > bitsOf(family))
    throw new EngineError('invalid', `invalid subnet ${JSON.stringify(text)}: want ADDRESS/BITS`)
  const size = 1n << BigInt(bitsOf(family) - prefix)
  return { family, first: (toNumber(address) / size) * size, prefix }
}

export function formatCidr(cidr: Cidr): string {
  return `${fromNumber(cidr.family, cidr.first)}/${cidr.prefix}`
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.first <= last(b) && b.first <= last(a)
}

export function contains(cidr: Cidr, address: string): boolean {
  const number = toNumber(address)
  return familyOf(address) === cidr.family && number >= cidr.first && number <= last(cidr)
}

/** The n-th address of a block: 1 is the usual gateway. */
export function nthAddress(cidr: Cidr, n: bigint): string {
  return fromNumber(cidr.family, cidr.first + n)
}

/** Docker's pools for networks without a chosen subnet: 15 of 65,534 addresses, then 16 of 4,094. */
export const defaultPools: readonly Cidr[] = [
  ...Array.from({ length: 15 }, (_, i) => parseCidr(`172.${17 + i}.0.0/16`)),
  ...Array.from({ length: 16 }, (_, i) => parseCidr(`192.168.${16 * i}.0/20`)),
]

/** The first pool that overlaps none of `taken`. A default route takes nothing. */
export function choosePool(pools: readonly Cidr[], taken: readonly Cidr[]): Cidr | undefined {
  const blocks = taken.filter((cidr) => cidr.prefix > 0)
  return pools.find((pool) => !blocks.some((block) => overlaps(pool, block)))
}

/** The addresses of one subnet that are in use; the lowest free one is given next, as docker's default bridge does. */
export class AddressPool {
  readonly subnet: Cidr
  readonly #used = new Set<bigint>()

  /** Network and broadcast address (IPv4) are never given, nor are `reserved` (the gateway). */
  constructor(subnet: Cidr, reserved: readonly string[] = []) {
    this.subnet = subnet
    this.#used.add(subnet.first)
    if (subnet.family === 4 && subnet.prefix < 31) this.#used.add(last(subnet))
    for (const address of reserved) this.#used.add(toNumber(address))
  }

  /** Takes `wish`, or the lowest free address. Kinds: `invalid` outside the subnet, `conflict` when taken, `unavailable` when full. */
  allocate(wish?: string): string {
    if (wish !== undefined) {
      if (familyOf(wish) === undefined || !contains(this.subnet, wish))
        throw new EngineError(
          'invalid',
          `address ${wish} is not in the network's subnet ${formatCidr(this.subnet)}`,
        )
      if (this.#used.has(toNumber(wish))) throw new EngineError('conflict', 'Address already in use')
      this.#used.add(toNumber(wish))
      return wish
    }
    const end = last(this.subnet)
    for (let number = this.subnet.first; number <= end; number++) {
      if (this.#used.has(number)) continue
      this.#used.add(number)
      return fromNumber(this.subnet.family, number)
    }
    throw new EngineError('unavailable', `no available IPv4 addresses in ${formatCidr(this.subnet)}`)
  }

  /** Marks an address that a record holds. */
  hold(address: string): void {
    this.#used.add(toNumber(address))
  }

  release(address: string): void {
    this.#used.delete(toNumber(address))
  }
}

/** Docker: an address of a container tells its MAC address, so that reuse of the one needs no new ARP entry. */
export function macOf(ip: string): string {
  return ['02:42', ...[...addressBytes(ip).subarray(-4)].map((b) => b.toString(16).padStart(2, '0'))].join(
    ':',
  )
}

function familyOf(address: string): 4 | 6 | undefined {
  return isIPv4(address) ? 4 : isIPv6(address) ? 6 : undefined
}

function bitsOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128
}

function last(cidr: Cidr): bigint {
  return cidr.first + (1n << BigInt(bitsOf(cidr.family) - cidr.prefix)) - 1n
}

function toNumber(address: string): bigint {
  return BigInt(`0x${addressBytes(address).toString('hex')}`)
}

function fromNumber(family: 4 | 6, number: bigint): string {
  return addressText(Buffer.from(number.toString(16).padStart(bitsOf(family) / 4, '0'), 'hex'))
}
