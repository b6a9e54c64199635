/** Carries the connections and datagrams of published ports to their containers: see PortRelay. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, isIPv6, type Socket } from 'node:net'
import { parentPort } from 'node:worker_threads'
import type { RelayCommand, RelayTarget } from './port-relay.ts'

/** How long an answer to a datagram is waited for. Milliseconds. */
const idleTime = 90_000
/** Clients of one UDP port that may wait for answers at a time; beyond, the one that has been silent longest is forgotten. */
const maxClients = 4096

/** Ends the service of a port; its connections too, unless another container goes on with it. */
type End = (o: { handedOver: boolean }) => void

const served = new Map<string, End>()

parentPort?.on('message', (command: RelayCommand) => {
  served.get(command.key)?.({ handedOver: command.kind === 'open' })
  served.delete(command.key)
  if (command.kind === 'shut') return
  const { fd, target } = command
  served.set(command.key, target.proto === 'tcp' ? relayTcp(fd, target) : relayUdp(fd, target))
})

function relayTcp(fd: number, target: RelayTarget): End {
  const clients = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    clients.add(client)
    client.once('close', () => clients.delete(client))
    carry(client, target)
  })
  // EMFILE and alike: what comes later is served again.
  server.on('error', () => {})
  server.listen({ fd })
  return ({ handedOver }) => {
    server.close()
    if (!handedOver) for (const client of clients) client.resetAndDestroy()
  }
}

/** Each side's end goes to the other as it comes: half of a connection may stay open for long. */
function carry(client: Socket, target: RelayTarget): void {
  const container = connect({ host: target.ip, port: target.port, allowHalfOpen: true, noDelay: true })
  client.setNoDelay(true)
  client.on('error', () => container.resetAndDestroy())
  container.on('error', () => client.resetAndDestroy())
  container.once('connect', () => {
    client.pipe(container)
    container.pipe(client)
  })
  client.once('close', () => container.destroy())
  container.once('close', () => client.destroySoon())
}

/** Each client has a socket of its own towards the container, so that answers find their way. */
function relayUdp(fd: number, target: RelayTarget): End {
  interface Client {
    readonly socket: UdpSocket
    ready: boolean
    readonly waiting: Buffer[]
    used: number
  }
  const clients = new Map<string, Client>()
  const type = (ip: string) => (isIPv6(ip) ? 'udp6' : 'udp4')
  const server = createSocket(type(target.hostIp))
  const forget = (key: string, client: Client) => {
    if (clients.get(key) === client) clients.delete(key)
    client.socket.close()
  }
  server.on('error', () => {})
  server.on('message', (data, from) => {
    const key = `${from.address} ${from.port}`
    let client = clients.get(key)
    if (client) clients.delete(key)
    else {
      const oldest = clients.entries().next().value
      if (clients.size >= maxClients && oldest) forget(...oldest)
      client = { socket: createSocket(type(target.ip)), ready: false, waiting: [], used: 0 }
      const { socket, waiting } = client
      const self = client
      socket.on('error', () => {})
      socket.on('message', (answer) => {
        self.used = Date.now()
        server.send(answer, from.port, from.address, () => {})
      })
      socket.connect(target.port, target.ip, () => {
        self.ready = true
        for (const data of waiting.splice(0)) socket.send(data, () => {})
      })
    }
    // The latest is last.
    clients.set(key, client)
    client.used = Date.now()
    if (client.ready) client.socket.send(data, () => {})
    else if (client.waiting.length < 16) client.waiting.push(data)
  })
  server.bind({ fd, exclusive: true })
  const sweep = setInterval(() => {
    const limit = Date.now() - idleTime
    for (const [key, client] of clients) if (client.used < limit) forget(key, client)
  }, idleTime / 3).unref()
  return () => {
    clearInterval(sweep)
    server.close()
    for (const [key, client] of clients) forget(key, client)
  }
}
