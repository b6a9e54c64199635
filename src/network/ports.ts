import { isIPv4, isIPv6 } from 'node:net'
import { EngineError, hasCode } from '../lib/errors.ts'
import { portOwner, reservePort } from '../host/port-owner.ts'
import { readSysctl } from '../host/sysctl.ts'

/** What a container wants published. */
export interface PortRequest {
  readonly containerPort: number
  readonly proto: 'tcp' | 'udp'
  /** '' = all addresses of the host. */
  readonly hostIp: string
  /** 0 = any free one. */
  readonly hostPort: number
}

interface Holder {
  readonly sandbox: string
  readonly owner: string
  readonly port: PortRequest
  readonly socket: Disposable
}

/** Host ports held for containers: each by a real socket, so that neither we nor another program can take it twice. */
export class Ports {
  readonly #held = new Map<string, Holder[]>()
  readonly #next = { tcp: 0, udp: 0 }

  /**
   * Takes all or none; returns them with real host ports and addresses ('' becomes 0.0.0.0).
   * Kind `conflict` with docker's text and the holder's name when one is taken.
   */
  reserve(sandbox: string, owner: string, requests: readonly PortRequest[]): PortRequest[] {
    const held: Holder[] = []
    this.#held.set(sandbox, held)
    try {
      for (const request of requests) held.push({ sandbox, owner, ...this.#take(check(request)) })
    } catch (error) {
      this.release(sandbox)
      throw error
    }
    return held.map((holder) => holder.port)
  }

  release(sandbox: string): void {
    for (const { socket } of this.#held.get(sandbox) ?? []) socket[Symbol.dispose]()
    this.#held.delete(sandbox)
  }

  #take(port: PortRequest): { port: PortRequest; socket: Disposable } {
    if (port.hostPort !== 0) return { port, socket: this.#bind(port) }
    const [low = 32768, high = 60999] = readSysctl('net/ipv4/ip_local_port_range').split(/\s+/).map(Number)
    const count = high - low + 1
    for (let tries = 0; tries < count; tries++) {
      const hostPort = low + (this.#next[port.proto]++ % count)
      try {
        const socket = reservePort(port.proto, port.hostIp, hostPort)
        return { port: { ...port, hostPort }, socket }
      } catch (error) {
        if (!hasCode(error, 'EADDRINUSE')) throw explain(error, port)
      }
    }
    throw new EngineError('conflict', `all host ports from ${low} to ${high} are in use`)
  }

  #bind(port: PortRequest): Disposable {
    try {
      return reservePort(port.proto, port.hostIp, port.hostPort)
    } catch (error) {
      if (!hasCode(error, 'EADDRINUSE')) throw explain(error, port)
      const text = `Bind for ${port.hostIp}:${port.hostPort} failed: port is already allocated`
      throw new EngineError('conflict', `${text}${this.#holderOf(port)}`, { cause: error })
    }
  }

  #holderOf(port: PortRequest): string {
    const any = '0.0.0.0'
    const holder = [...this.#held.values()]
      .flat()
      .find(
        ({ port: p }) =>
          p.proto === port.proto &&
          p.hostPort === port.hostPort &&
          (p.hostIp === port.hostIp || p.hostIp === any || port.hostIp === any),
      )
    if (holder) return ` (held by container ${holder.owner})`
    const process = portOwner(port.proto, port.hostIp, port.hostPort)
    return process ? ` (held by process ${process.name}, pid ${process.pid}, user ${process.user})` : ''
  }
}

function check(request: PortRequest): PortRequest {
  const { hostPort, containerPort } = request
  const hostIp = request.hostIp.replace(/^\[(.*)\]$/, '$1')
  if (isIPv6(hostIp))
    throw new EngineError(
      'unsupported',
      `publishing a port on an IPv6 address (${hostIp}) is not supported yet`,
    )
  if (hostIp !== '' && !isIPv4(hostIp)) throw new EngineError('invalid', `invalid host address "${hostIp}"`)
  for (const port of [hostPort, containerPort])
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw new EngineError('invalid', `invalid port ${port}: want 1 to 65535`)
  return { ...request, hostIp: hostIp || '0.0.0.0' }
}

function explain(error: unknown, port: PortRequest): unknown {
  const what = `Bind for ${port.hostIp}:${port.hostPort} failed`
  if (hasCode(error, 'EADDRNOTAVAIL'))
    return new EngineError('invalid', `${what}: ${port.hostIp} is not an address of this host`, {
      cause: error,
    })
  if (hasCode(error, 'EACCES'))
    return new EngineError('forbidden', `${what}: permission denied`, { cause: error })
  return error
}
