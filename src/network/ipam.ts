import { createHash } from 'node:crypto'
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

/** An address in one spelling: `FD00:0::1` is `fd00::1`. */
export function canonical(address: string): string {
  return addressText(addressBytes(address))
}

/** `inner` lies in `outer`, whole. */
export function within(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && inner.first >= outer.first && last(inner) <= last(outer)
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

/** A block that is cut into subnets of `size` bits for networks without a chosen one. */
export interface AddressBase {
  readonly base: string
  readonly size: number
}

/** Docker's: 15 subnets of 65,534 addresses, then 16 of 4,094. */
export const defaultBases: readonly AddressBase[] = [
  ...Array.from({ length: 15 }, (_, i) => ({ base: `172.${17 + i}.0.0/16`, size: 16 })),
  { base: '192.168.0.0/16', size: 20 },
]
export const defaultPools: readonly Cidr[] = defaultBases.flatMap((base) => [...cut(base)])

/** The subnets of a base, lowest first. */
export function* cut({ base, size }: AddressBase): Generator<Cidr> {
  const block = parseCidr(base)
  const step = 1n << BigInt(bitsOf(block.family) - size)
  const end = last(block)
  for (let first = block.first; first <= end; first += step)
    yield { family: block.family, first, prefix: size }
}

/** The IPv6 base of one daemon (RFC 4193): a site of its own, derived from what tells daemons apart. */
export function uniqueLocalBase(seed: string): AddressBase {
  const site = createHash('sha256').update(seed).digest().subarray(0, 5)
  return { base: `${addressText(Buffer.concat([Buffer.from([0xfd]), site, Buffer.alloc(10)]))}/48`, size: 64 }
}

/** The first pool that overlaps none of `taken`. A default route takes nothing. */
export function choosePool(pools: Iterable<Cidr>, taken: readonly Cidr[]): Cidr | undefined {
  const blocks = taken.filter((cidr) => cidr.prefix > 0)
  for (const pool of pools) if (!blocks.some((block) => overlaps(pool, block))) return pool
  return undefined
}

/** The addresses of one subnet that are in use; the lowest free one is given next, as docker's default bridge does. */
export class AddressPool {
  readonly subnet: Cidr
  readonly #range: Cidr
  readonly #used = new Set<bigint>()

  /**
   * Network and broadcast address (IPv4) are never given, nor are `reserved` (the gateway). Without a wish addresses come
   * from `range`, a part of the subnet.
   */
  constructor(subnet: Cidr, reserved: readonly string[] = [], range: Cidr = subnet) {
    this.subnet = subnet
    this.#range = range
    if (subnet.prefix < bitsOf(subnet.family) - 1) this.#used.add(subnet.first)
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
    const end = last(this.#range)
    for (let number = this.#range.first; number <= end; number++) {
      if (this.#used.has(number)) continue
      this.#used.add(number)
      return fromNumber(this.subnet.family, number)
    }
    throw new EngineError(
      'unavailable',
      `no available IPv${this.subnet.family} addresses in ${formatCidr(this.#range)}`,
    )
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
