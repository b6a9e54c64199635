import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import { decode, encode, type Answer, type DecodedPacket, type Packet } from 'dns-packet'
import { bindUdp, listenTcp } from '../../host/inet-socket.ts'
import { inNetns } from '../../host/netns.ts'
import { connectTcp, connectUdp, sendDatagram } from '../../host/inet-socket.ts'
import { Socket as TcpSocket } from 'node:net'
import { frame, StreamMessages } from './stream.ts'

export interface FakeUpstream extends AsyncDisposable {
  readonly port: number
  /** What was asked, in order: `udp A example.org`. */
  readonly asked: string[]
}

/**
 * A DNS server for tests. `answer` makes the reply of a query; undefined: says nothing. Bytes are sent as they are, one after the other.
 */
export async function fakeUpstream(
  answer: (query: Packet, stream: boolean, port: number) => Partial<Packet> | Buffer[] | undefined,
  o: { netns?: string; ip?: string; port?: number } = {},
): Promise<FakeUpstream> {
  const ip = o.ip ?? '127.0.0.1'
  const open = () => {
    const udp = bindUdp(ip, o.port ?? 0, 1 << 20)
    return { udp, tcp: listenTcp(ip, udp.port) }
  }
  const { udp, tcp } = o.netns === undefined ? open() : inNetns(o.netns, open)
  const asked: string[] = []
  const reply = (bytes: Buffer, stream: boolean, port: number): Buffer[] => {
    const query = decode(bytes)
    const question = query.questions?.[0]
    asked.push(`${stream ? 'tcp' : 'udp'} ${question?.type} ${question?.name}`)
    const made = answer(query, stream, port)
    if (!made || Array.isArray(made)) return made ?? []
    return [encode({ type: 'response', id: query.id ?? 0, questions: query.questions ?? [], ...made })]
  }
  const socket = createSocket('udp4')
  socket.on('message', (bytes, from) => {
    for (const message of reply(bytes, false, from.port)) socket.send(message, from.port, from.address)
  })
  const connections = new Set<Socket>()
  const server = createServer((connection) => {
    connections.add(connection)
    const messages = new StreamMessages((bytes) => {
      for (const message of reply(bytes, true, connection.remotePort ?? 0)) connection.write(frame(message))
    })
    connection.on('data', (data: Buffer) => messages.add(data)).on('error', () => connection.destroy())
  })
  await Promise.all([
    new Promise<void>((resolve) => socket.bind({ fd: udp.fd, exclusive: true }, () => resolve())),
    new Promise<void>((resolve) => server.listen({ fd: tcp.fd, exclusive: true }, () => resolve())),
  ])
  return {
    port: udp.port,
    asked,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy()
      await Promise.all([
        new Promise<void>((resolve) => socket.close(() => resolve())),
        new Promise((resolve) => server.close(resolve)),
      ])
    },
  }
}

export const record = (name: string, data: string): Answer => ({ type: 'A', name, ttl: 60, data })

let nextId = 1

/** One query as a client in the namespace sends it; rejects after `timeout` ms. */
export function ask(
  netns: string | undefined,
  o: {
    name: string
    type?: string
    stream?: boolean
    ip?: string
    port?: number
    timeout?: number
    edns?: number
  },
): Promise<DecodedPacket & { rcode?: string }> {
  const query = encode({
    type: 'query',
    id: nextId++ & 0xffff,
    flags: 0x0100,
    // The type of the library lists fewer than it knows.
    questions: [{ name: o.name, type: (o.type ?? 'A') as 'A' }],
    ...(o.edns !== undefined && {
      additionals: [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: o.edns,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ],
    }),
  })
  return exchange(netns, query, o).then((reply) => decode(reply))
}

/** The same in bytes. */
export function exchange(
  netns: string | undefined,
  query: Buffer,
  o: { stream?: boolean; ip?: string; port?: number; timeout?: number } = {},
): Promise<Buffer> {
  const open = () => (o.stream ? connectTcp : connectUdp)(o.ip ?? '127.0.0.11', o.port ?? 53)
  const fd = netns === undefined ? open() : inNetns(netns, open)
  return new Promise((resolve, reject) => {
    let end = (): void => {}
    const timer = setTimeout(() => (end(), reject(new Error('no answer'))), o.timeout ?? 5000)
    if (o.stream) {
      const socket = new TcpSocket({ fd, readable: true, writable: true })
      end = () => {
        clearTimeout(timer)
        socket.destroy()
      }
      const messages = new StreamMessages((reply) => (end(), resolve(Buffer.from(reply))))
      socket.on('data', (data: Buffer) => messages.add(data)).on('error', (error) => (end(), reject(error)))
      socket.on('end', () => (end(), reject(new Error('closed'))))
      socket.write(frame(query))
      return
    }
    const socket = createSocket('udp4')
    end = () => {
      clearTimeout(timer)
      socket.close()
    }
    socket.on('message', (reply) => (end(), resolve(reply)))
    socket.on('error', (error) => (end(), reject(error)))
    socket.bind({ fd, exclusive: true }, () => sendDatagram(fd, query))
  })
}
