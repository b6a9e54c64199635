import { isIPv4 } from 'node:net'
import { addressBytes } from '../../host/rtnetlink.ts'

export interface Registration {
  /** Unique in its network. */
  readonly endpoint: string
  /** The first one is what its addresses are called; several endpoints may share one. */
  readonly names: readonly string[]
  readonly addresses: readonly string[]
}

export type Family = 4 | 6

interface Zone {
  readonly endpoints: Map<string, Registration>
  /** In order of registration. */
  readonly byName: Map<string, Registration[]>
  readonly byAddress: Map<string, Registration>
}

/** Who is called what on which network. Names are compared without case. */
export class Names {
  readonly #zones = new Map<string, Zone>()
  #turn = 0

  /** Replaces what the endpoint had. */
  register(network: string, registration: Registration): void {
    this.unregister(network, registration.endpoint)
    let zone = this.#zones.get(network)
    if (!zone)
      this.#zones.set(network, (zone = { endpoints: new Map(), byName: new Map(), byAddress: new Map() }))
    zone.endpoints.set(registration.endpoint, registration)
    for (const name of namesOf(registration)) {
      const holders = zone.byName.get(name)
      if (holders) holders.push(registration)
      else zone.byName.set(name, [registration])
    }
    for (const address of registration.addresses) zone.byAddress.set(addressKey(address), registration)
  }

  unregister(network: string, endpoint: string): void {
    const zone = this.#zones.get(network)
    const old = zone?.endpoints.get(endpoint)
    if (!zone || !old) return
    zone.endpoints.delete(endpoint)
    for (const name of namesOf(old)) {
      const rest = (zone.byName.get(name) ?? []).filter((r) => r !== old)
      if (rest.length > 0) zone.byName.set(name, rest)
      else zone.byName.delete(name)
    }
    for (const address of old.addresses)
      if (zone.byAddress.get(addressKey(address)) === old) zone.byAddress.delete(addressKey(address))
    if (zone.endpoints.size === 0) this.#zones.delete(network)
  }

  /**
   * The addresses of a name for one who is on `networks`: of the first of them that has any of the family. Each call begins with
   * another one. Undefined: nobody is called so; empty: somebody is, without an address of the family.
   *
   * Docker: `name.network` is the name on that network. Both may contain dots, so each way to part them is tried.
   */
  lookup(networks: readonly string[], name: string, family: Family): string[] | undefined {
    let known = false
    for (const [network, short] of readings(networks, name)) {
      const holders = this.#zones.get(network)?.byName.get(short)
      if (!holders) continue
      known = true
      const addresses = holders.flatMap((r) => r.addresses.filter((a) => isIPv4(a) === (family === 4)))
      if (addresses.length > 0) return this.rotate(addresses)
    }
    return known ? [] : undefined
  }

  /** `name.network` of an address (as addressKey() writes it) on one of the networks. */
  nameOf(networks: readonly string[], key: string): string | undefined {
    for (const network of networks) {
      const name = this.#zones.get(network)?.byAddress.get(key)?.names.find(fits)
      if (name !== undefined && fits(network)) return `${name}.${network}`
    }
    return undefined
  }

  rotate(addresses: readonly string[]): string[] {
    const at = this.#turn++ % addresses.length
    return [...addresses.slice(at), ...addresses.slice(0, at)]
  }
}

/** A container may be called what no DNS message can hold (RFC 1035 2.3.4). */
const fits = (name: string): boolean =>
  name.length <= 120 && name.split('.').every((label) => label.length > 0 && label.length < 64)

const namesOf = (r: Registration): Set<string> => new Set(r.names.map((name) => name.toLowerCase()))

function* readings(networks: readonly string[], name: string): Iterable<[network: string, name: string]> {
  for (const network of networks) yield [network, name]
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const suffix = name.slice(dot + 1)
    const network = networks.find((n) => n.toLowerCase() === suffix)
    if (network !== undefined) yield [network, name.slice(0, dot)]
  }
}

/** One text for each address, however it is written. */
export const addressKey = (address: string): string => addressBytes(address).toString('hex')

/** The key of the address that a name under in-addr.arpa or ip6.arpa stands for. */
export function addressKeyOfPointer(name: string): string | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name)
  if (v4) {
    const bytes = v4.slice(1).map(Number).toReversed()
    return bytes.every((byte) => byte < 256) ? Buffer.from(bytes).toString('hex') : undefined
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)
  return v6?.[1]?.split('.').toReversed().join('')
}
