import { isIPv6 } from 'node:net'
import { EngineError, hasCode } from '../lib/errors.ts'
import { portOwner, reservePort } from '../host/port-owner.ts'
import { addressBytes, addressText } from '../host/rtnetlink.ts'
import { readSysctl } from '../host/sysctl.ts'

/** What a container wants published. */
export interface PortRequest {
  readonly containerPort: number
  readonly proto: 'tcp' | 'udp'
  /** '' = all addresses of the host, of both families. */
  readonly hostIp: string
  /** 0 = any free one. */
  readonly hostPort: number
  /** The last of a range, of which the first free one is taken. */
  readonly hostPortEnd?: number | undefined
}

/** One address and port of the host that is held for a container. */
export interface HeldPort {
  readonly containerPort: number
  readonly proto: 'tcp' | 'udp'
  /** 0.0.0.0 = every IPv4 address of the host, :: = every IPv6 one. */
  readonly hostIp: string
  readonly hostPort: number
}

type HeldSocket = ReturnType<typeof reservePort>

interface Holder {
  readonly owner: string
  readonly port: HeldPort
  readonly socket: HeldSocket
}

const anyV4 = '0.0.0.0'
const anyV6 = '::'

/** Host ports held for containers: each by a real socket, so that neither we nor another program can take it twice. */
export class Ports {
  readonly #held = new Map<string, Holder[]>()
  readonly #next = { tcp: 0, udp: 0 }

  /**
   * Takes all or none; returns them with real host ports and addresses. No address becomes `defaultAddress`; when that is
   * 0.0.0.0, as by default, [::] too where the host has IPv6, both with one number.
   * Kind `conflict` with docker's text and the holder's name when one is taken.
   */
  reserve(
    sandbox: string,
    owner: string,
    requests: readonly PortRequest[],
    o: { defaultAddress?: string } = {},
  ): HeldPort[] {
    const held = this.#held.get(sandbox) ?? []
    const before = held.length
    this.#held.set(sandbox, held)
    try {
      for (const request of requests) {
        const addresses = addressesOf(request.hostIp, o.defaultAddress ?? anyV4)
        held.push(...this.#take(check(request), { owner, addresses }))
      }
    } catch (error) {
      for (const { socket } of held.splice(before)) socket[Symbol.dispose]()
      if (held.length === 0) this.#held.delete(sandbox)
      throw error
    }
    return held.slice(before).map((holder) => holder.port)
  }

  /**
   * What `requests` want, for another sandbox, out of what the first one holds: those sockets change hands and are never free
   * in between. What either of the two holds beyond is the first one's then. All or none.
   */
  inherit(
    o: { readonly from: string; readonly to: string; readonly owner: string },
    requests: readonly PortRequest[],
    { defaultAddress = anyV4 }: { defaultAddress?: string } = {},
  ): HeldPort[] {
    const own = this.#held.get(o.to) ?? []
    const left = [...(this.#held.get(o.from) ?? []), ...own]
    const missing: PortRequest[] = []
    const taken: Holder[] = []
    for (const request of requests.map(check)) {
      const [first, ...others] = addressesOf(request.hostIp, defaultAddress)
      const one = left.find(({ port }) => port.hostIp === first && isWanted(port, request))
      // All addresses with one number.
      const same = others.map((address) =>
        left.find(
          ({ port }) =>
            port.hostIp === address && port.hostPort === one?.port.hostPort && isWanted(port, request),
        ),
      )
      const found = [one, ...same]
      const complete = found.filter((holder) => holder !== undefined)
      if (complete.length < found.length) missing.push(request)
      else
        for (const holder of complete) {
          left.splice(left.indexOf(holder), 1)
          const port = { ...holder.port, containerPort: request.containerPort }
          taken.push({ owner: o.owner, socket: holder.socket, port })
        }
    }
    const before = own.length
    const reserved = this.reserve(o.to, o.owner, missing, { defaultAddress })
    this.#held.set(o.to, [...(this.#held.get(o.to) ?? []).slice(before), ...taken])
    this.#held.set(o.from, left)
    return [...taken.map(({ port }) => port), ...reserved]
  }

  release(sandbox: string): void {
    for (const { socket } of this.#held.get(sandbox) ?? []) socket[Symbol.dispose]()
    this.#held.delete(sandbox)
  }

  /** The socket that holds a port, to be served from instead of redirected. */
  socketOf(port: Pick<HeldPort, 'proto' | 'hostIp' | 'hostPort'>): number | undefined {
    return this.#find(
      (p) => p.proto === port.proto && p.hostIp === port.hostIp && p.hostPort === port.hostPort,
    )?.socket.fd
  }

  #take(port: PortRequest, o: { owner: string; addresses: readonly string[] }): Holder[] {
    const { hostPort, proto } = port
    const random = hostPort === 0
    const [first, last] = random ? ephemeralPorts() : [hostPort, port.hostPortEnd ?? hostPort]
    const count = last - first + 1
    // A port that was given back is not given again at once.
    const from = random ? this.#next[proto] : 0
    for (let tries = 0; tries < count; tries++) {
      if (random) this.#next[proto] = from + tries + 1
      try {
        return this.#bind(port, { ...o, hostPort: first + ((from + tries) % count) })
      } catch (error) {
        if (!hasCode(error, 'EADDRINUSE')) throw explain(error, port)
        if (count === 1) throw this.#conflict(error, port, o.addresses)
      }
    }
    const where = `${hostText(o.addresses[0] ?? anyV4)}:${first}-${last}`
    throw new EngineError('conflict', `Bind for ${where} failed: all ports are allocated`)
  }

  /** One port on all of the addresses, or none. */
  #bind(port: PortRequest, o: { owner: string; addresses: readonly string[]; hostPort: number }): Holder[] {
    const { containerPort, proto } = port
    const taken: Holder[] = []
    try {
      for (const hostIp of o.addresses) {
        const socket = reservePort(proto, hostIp, o.hostPort)
        taken.push({ owner: o.owner, socket, port: { containerPort, proto, hostIp, hostPort: o.hostPort } })
      }
      return taken
    } catch (error) {
      for (const { socket } of taken) socket[Symbol.dispose]()
      throw error
    }
  }

  #conflict(cause: unknown, port: PortRequest, addresses: readonly string[]): EngineError {
    const text = `Bind for ${hostText(addresses[0] ?? anyV4)}:${port.hostPort} failed: port is already allocated`
    return new EngineError('conflict', `${text}${this.#holderOf(port, addresses)}`, { cause })
  }

  #holderOf(port: PortRequest, addresses: readonly string[]): string {
    const clashes = (a: string, b: string) => isIPv6(a) === isIPv6(b) && (a === b || isAny(a) || isAny(b))
    const holder = this.#find(
      (p) =>
        p.proto === port.proto && p.hostPort === port.hostPort && addresses.some((a) => clashes(a, p.hostIp)),
    )
    if (holder) return ` (held by container ${holder.owner})`
    for (const address of addresses) {
      const process = portOwner(port.proto, address, port.hostPort)
      if (process) return ` (held by process ${process.name}, pid ${process.pid}, user ${process.user})`
    }
    return ''
  }

  #find(match: (port: HeldPort) => boolean): Holder | undefined {
    for (const holders of this.#held.values())
      for (const holder of holders) if (match(holder.port)) return holder
    return undefined
  }
}

/** A port that was chosen by the engine goes on with the container's port that it leads to. */
function isWanted(
  held: HeldPort,
  { proto, hostPort, hostPortEnd = hostPort, containerPort }: PortRequest,
): boolean {
  if (held.proto !== proto) return false
  if (hostPort === 0) return held.containerPort === containerPort
  return held.hostPort >= hostPort && held.hostPort <= hostPortEnd
}

/** All addresses of a family. */
export const isAny = (address: string): boolean => address === anyV4 || address === anyV6

/** As it stands before a port. */
export const hostText = (address: string): string => (isIPv6(address) ? `[${address}]` : address)

/** Where a port without or with an address is bound. */
function addressesOf(hostIp: string, defaultAddress: string): string[] {
  if (hostIp !== '') return [parseAddress(hostIp)]
  const address = parseAddress(defaultAddress)
  return address === anyV4 && hasIpv6() ? [anyV4, anyV6] : [address]
}

/** In the one form that is compared: without brackets, IPv6 shortened, IPv4 inside IPv6 as IPv4. */
function parseAddress(text: string): string {
  const plain = text.replace(/^\[(.*)\]$/, '$1')
  let bytes: Buffer
  try {
    bytes = addressBytes(plain)
  } catch (error) {
    throw new EngineError('invalid', `invalid host address "${text}"`, { cause: error })
  }
  if (plain.includes('%'))
    throw new EngineError('invalid', `invalid host address "${text}": a zone is not supported`)
  const mapped = bytes.length === 16 && bytes.subarray(0, 12).toString('hex') === '00000000000000000000ffff'
  return addressText(mapped ? bytes.subarray(12) : bytes)
}

/** Docker's test: whether a socket can listen on ::1. */
function hasIpv6(): boolean {
  try {
    using _socket = reservePort('tcp', '::1', 0)
    return true
  } catch {
    return false
  }
}

function ephemeralPorts(): [first: number, last: number] {
  const [first = 32768, last = 60999] = readSysctl('net/ipv4/ip_local_port_range').split(/\s+/).map(Number)
  return [first, last]
}

function check(request: PortRequest): PortRequest {
  const { hostPort, hostPortEnd = hostPort, containerPort } = request
  for (const port of [hostPort, hostPortEnd, containerPort])
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw new EngineError('invalid', `invalid port ${port}: want 1 to 65535`)
  if (hostPortEnd < hostPort)
    throw new EngineError('invalid', `invalid port range ${hostPort}-${hostPortEnd}`)
  return request
}

function explain(error: unknown, port: PortRequest): unknown {
  const what = `Bind for ${hostText(port.hostIp || anyV4)}:${port.hostPort} failed`
  if (hasCode(error, 'EADDRNOTAVAIL'))
    return new EngineError('invalid', `${what}: ${port.hostIp} is not an address of this host`, {
      cause: error,
    })
  if (hasCode(error, 'EACCES'))
    return new EngineError('forbidden', `${what}: permission denied`, { cause: error })
  return error
}
