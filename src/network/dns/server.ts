import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server as TcpServer, type Socket } from 'node:net'
import { bindUdp, listenTcp, type BoundSocket } from '../../host/inet-socket.ts'
import { redirectLocal } from '../../host/nft-redirect.ts'
import { inNetns } from '../../host/netns.ts'
import { closeFd } from '../../host/socket.ts'
import { hasCode } from '../../lib/errors.ts'
import { frame, StreamMessages } from './stream.ts'

/** Where every container asks. */
export const resolverAddress = '127.0.0.11'
/** Room for some thousand queries that come at once. Bytes. */
const queue = 4 << 20
const maxConnections = 128
/** RFC 7766: long enough for a client's next query. Milliseconds. */
const idle = 10_000

export type Answer = (query: Buffer, stream: boolean) => Buffer | Promise<Buffer> | undefined

/** Listens on UDP and TCP, on one port, in a container's namespace. */
export class Server {
  readonly port: number
  readonly #udp: UdpSocket
  readonly #tcp: TcpServer
  readonly #connections = new Set<Socket>()
  readonly #answer: Answer

  /** `port`: taken when it is free, else another one. */
  constructor(netnsPath: string, o: { port: number; answer: Answer }) {
    this.#answer = o.answer
    const { udp, tcp } = inNetns(netnsPath, () => {
      const sockets = listen(o.port)
      try {
        // Not on port 53 itself: a container may run a server of its own there, on all its addresses.
        redirectLocal({ table: 'gantry_dns', address: resolverAddress, port: 53, to: sockets.udp.port })
        return sockets
      } catch (error) {
        for (const { fd } of [sockets.udp, sockets.tcp]) closeFd(fd)
        throw error
      }
    })
    this.port = udp.port
    this.#udp = createSocket('udp4')
    this.#udp.on('message', (query, from) => {
      void this.#reply(query, false, (reply) => this.#udp.send(reply, from.port, from.address))
    })
    // The namespace has gone; what ends the server comes from its owner.
    this.#udp.on('error', () => {})
    this.#udp.bind({ fd: udp.fd, exclusive: true })
    this.#tcp = createServer((socket) => this.#serve(socket))
    this.#tcp.maxConnections = maxConnections
    this.#tcp.on('error', () => {})
    this.#tcp.listen({ fd: tcp.fd, exclusive: true })
  }

  close(): void {
    this.#udp.close()
    this.#tcp.close()
    for (const connection of this.#connections) connection.destroy()
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket)
    socket.on('close', () => this.#connections.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(idle, () => socket.destroy())
    const messages = new StreamMessages((query) => {
      void this.#reply(query, true, (reply) => {
        if (socket.writable) socket.write(frame(reply))
      })
    })
    socket.on('data', (data: Buffer) => messages.add(data))
  }

  async #reply(query: Buffer, stream: boolean, send: (reply: Buffer) => void): Promise<void> {
    const reply = await this.#answer(query, stream)
    // It may have been closed while upstream servers thought.
    if (reply) ignoreClosed(() => send(reply))
  }
}

function listen(port: number): { udp: BoundSocket; tcp: BoundSocket } {
  for (let tries = 0; ; tries++) {
    let udp: BoundSocket | undefined
    try {
      udp = bindUdp(resolverAddress, tries === 0 ? port : 0, queue)
      return { udp, tcp: listenTcp(resolverAddress, udp.port) }
    } catch (error) {
      if (udp) closeFd(udp.fd)
      if (tries === 8 || !hasCode(error, 'EADDRINUSE', 'EACCES')) throw error
    }
  }
}

function ignoreClosed(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!hasCode(error, 'ERR_SOCKET_DGRAM_NOT_RUNNING')) throw error
  }
}
