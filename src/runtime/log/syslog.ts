import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, isIPv6, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { openDatagrams } from './datagrams.ts'
import type { Receiver } from './receiver.ts'
import { recordsOf, type LogRecord } from './records.ts'
import type { SyslogFormat, SyslogTarget } from './setup.ts'

const informational = 6
const failure = 3
/** Milliseconds. */
const connectTimeout = 10_000

interface Wire {
  send(message: Buffer): Promise<void>
  close(): void
}

/** Sends lines to a syslog server as docker's driver does: severity `info` for stdout, `err` for stderr. */
export class Syslog implements Receiver {
  readonly #wire: Wire
  readonly #format: SyslogFormat
  /** RFC 5425: a message's length before it, where TLS carries it. */
  readonly #counted: boolean

  private constructor(wire: Wire, format: SyslogFormat, counted: boolean) {
    this.#wire = wire
    this.#format = format
    this.#counted = counted
  }

  /** Throws when nobody listens. */
  static async open(target: SyslogTarget, format: SyslogFormat): Promise<Syslog> {
    const counted = target.protocol === 'tcp+tls' && format.style !== 'rfc3164'
    return new Syslog(await openWire(target), format, counted)
  }

  async write(data: Buffer): Promise<number> {
    for (const record of recordsOf(data)) {
      const message = Buffer.concat([
        Buffer.from(syslogHead(record, this.#format)),
        record.text,
        Buffer.from('\n'),
      ])
      await this.#wire.send(
        this.#counted ? Buffer.concat([Buffer.from(`${message.length} `), message]) : message,
      )
    }
    return data.length
  }

  close(): void {
    this.#wire.close()
  }
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** What stands before the text. */
export function syslogHead(record: Pick<LogRecord, 'stream' | 'time'>, format: SyslogFormat): string {
  const { facility, style, tag, hostname } = format
  const priority = facility * 8 + (record.stream === 1 ? informational : failure)
  const { time } = record
  if (style === 'rfc5424' || style === 'rfc5424micro') {
    const shown = style === 'rfc5424' ? `${time.slice(0, 19)}Z` : `${time.slice(0, 26)}Z`
    return `<${priority}>1 ${shown} ${hostname} ${tag} ${process.pid} ${tag} - `
  }
  const local = new Date(time)
  const two = (n: number) => String(n).padStart(2, '0')
  const stamp = `${months[local.getMonth()]} ${String(local.getDate()).padStart(2)} ${two(local.getHours())}:${two(local.getMinutes())}:${two(local.getSeconds())}`
  return `<${priority}>${stamp} ${style === 'rfc3164' ? `${hostname} ` : ''}${tag}[${process.pid}]: `
}

async function openWire(target: SyslogTarget): Promise<Wire> {
  if (target.protocol === 'unixgram') return openDatagrams(target.path)
  if (target.protocol === 'udp') return await openUdp(target)
  const socket = await openStream(target)
  let error: Error | undefined
  socket.on('error', (cause) => (error = cause))
  // Nothing is expected; what comes is not kept.
  socket.resume()
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        if (error || socket.destroyed) return reject(error ?? new Error('the syslog server hung up'))
        socket.write(message, (cause) => (cause ? reject(cause) : resolve()))
      }),
    close: () => void socket.end(),
  }
}

async function openStream(target: Exclude<SyslogTarget, { protocol: 'udp' | 'unixgram' }>): Promise<Socket> {
  const signal = AbortSignal.timeout(connectTimeout)
  if (target.protocol === 'tcp+tls') {
    const { host, port, ca, cert, key, skipVerify } = target
    const socket = connectTls({
      host,
      port,
      rejectUnauthorized: !skipVerify,
      ...(ca !== undefined && { ca: readFileSync(ca) }),
      ...(cert !== undefined && { cert: readFileSync(cert) }),
      ...(key !== undefined && { key: readFileSync(key) }),
    })
    return await connected(socket, 'secureConnect', signal)
  }
  const socket = 'path' in target ? connect(target.path) : connect({ host: target.host, port: target.port })
  return await connected(socket, 'connect', signal)
}

async function connected(socket: Socket, event: string, signal: AbortSignal): Promise<Socket> {
  try {
    await once(socket, event, { signal })
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

async function openUdp(target: { host: string; port: number }): Promise<Wire> {
  const socket = createSocket(isIPv6(target.host) ? 'udp6' : 'udp4')
  // A server that is not there says so at the next message; datagrams are sent without being sure.
  socket.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.connect(target.port, target.host, () => {
      socket.off('error', reject)
      resolve()
    })
  })
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        socket.send(message, (error) => {
          // Nobody listens at the moment: as with docker, what is sent then is lost.
          if (error && 'code' in error && error.code !== 'ECONNREFUSED') reject(error)
          else resolve()
        })
      }),
    close: () => void socket.close(),
  }
}
