import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { PublishedPort } from './firewall.ts'
import { PortRelay } from './port-relay.ts'
import { Ports } from './ports.ts'

const ports = new Ports()
const relay = new PortRelay(ports)
after(() => relay.close())

/** What stands for a container: it answers with what it got, once the client has ended its half. */
const container = createServer({ allowHalfOpen: true }, (socket) => {
  const parts: Buffer[] = []
  socket.on('data', (data) => parts.push(Buffer.from(data))).on('end', () => socket.end(Buffer.concat(parts)))
  socket.on('error', () => {})
})
const datagrams = createSocket('udp4')
let containerPort = 0
before(async () => {
  await once(container.listen(0, '127.0.0.1'), 'listening')
  containerPort = (container.address() as AddressInfo).port
  datagrams.on('message', (data, from) => datagrams.send(`${data.toString()}!`, from.port, from.address))
  await new Promise<void>((resolve) => datagrams.bind(containerPort, '127.0.0.1', resolve))
})
after(() => {
  container.close()
  datagrams.close()
})

function publish(proto: 'tcp' | 'udp', hostIp = '127.0.0.1'): PublishedPort {
  const [held] = ports.reserve(`${proto}${hostIp}`, 'web', [{ containerPort, proto, hostIp, hostPort: 0 }])
  assert.ok(held)
  const port = { ...held, containerIp: '127.0.0.1' }
  relay.open(port)
  return port
}

async function ask(port: PublishedPort, text: string): Promise<string> {
  const socket = connect({ host: port.hostIp, port: port.hostPort, allowHalfOpen: true })
  socket.end(text)
  let answer = ''
  for await (const data of socket) answer += String(data)
  return answer
}

test('TCP: bytes both ways, half-closed connections, many at once; IPv6 clients of an IPv4 container', async () => {
  const port = publish('tcp')
  const six = publish('tcp', '::1')
  const texts = Array.from({ length: 20 }, (_, i) => `${i} `.repeat(30_000))
  const answers = await Promise.all(texts.map((text, i) => ask(i % 2 === 0 ? port : six, text)))
  assert.ok(answers.every((answer, i) => answer === texts[i]))

  const open = connect({ host: port.hostIp, port: port.hostPort })
  open.write('x')
  await once(open, 'connect')
  assert.equal(await ask(port, 'in between'), 'in between')
  const cut = assert.rejects(once(open, 'end'), { code: 'ECONNRESET' })
  relay.shut(port)
  await cut
  ports.release('tcp127.0.0.1')
  await assert.rejects(ask(port, 'too late'), { code: 'ECONNREFUSED' })
})

test('a container that does not listen: the connection is reset', async () => {
  const [held] = ports.reserve('dead', 'dead', [
    { containerPort: 1, proto: 'tcp', hostIp: '127.0.0.1', hostPort: 0 },
  ])
  assert.ok(held)
  relay.open({ ...held, containerIp: '127.0.0.1' })
  await assert.rejects(ask({ ...held, containerIp: '' }, 'x'), { code: 'ECONNRESET' })
  ports.release('dead')
})

test('UDP: each client gets its own answers, of IPv6 too', async () => {
  for (const port of [publish('udp'), publish('udp', '::1')]) {
    const answers = await Promise.all(
      ['a', 'b', 'c'].map(async (text) => {
        const client = createSocket(port.hostIp === '::1' ? 'udp6' : 'udp4')
        const answered = once(client, 'message') as Promise<[Buffer]>
        client.send(text, port.hostPort, port.hostIp)
        const [data] = await answered
        client.close()
        return String(data)
      }),
    )
    assert.deepEqual(answers, ['a!', 'b!', 'c!'])
  }
})
