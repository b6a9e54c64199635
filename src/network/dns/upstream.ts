import { createSocket } from 'node:dgram'
import { randomInt } from 'node:crypto'
import { Socket } from 'node:net'
import { connectTcp, connectUdp, sendDatagram } from '../../host/inet-socket.ts'
import { inNetns } from '../../host/netns.ts'
import { hasCode } from '../../lib/errors.ts'
import { answers } from './message.ts'
import { StreamMessages, frame } from './stream.ts'

/** When a datagram is sent again, after the first time. Milliseconds. */
const resendAfter = [700, 1900]
/** A server is asked again after this much silence, with a query that somebody else answers; doubled up to the last. Milliseconds. */
const probeEvery = { first: 1000, last: 16_000 }
/** Silence for this long since a question makes a silent server a dead one. Milliseconds. */
const deadAfter = 1000
/** How long a server may think before the next one is asked too: three times what it usually takes, within these. Milliseconds. */
const patience = { first: 120, least: 40, most: 250 }

/** One upstream server as seen from one network namespace, and how it behaves. */
export class Upstream {
  readonly address: string
  readonly #port: number
  readonly #netnsPath: string | undefined
  #roundTrip: number | undefined
  /** When the question was asked whose answer is overdue. */
  #silentSince: number | undefined
  #nextProbe = 0
  #probePause = probeEvery.first
  #lastSpoke = 0
  readonly #underWay = new Set<() => void>()
  #closed = false

  /** Without a namespace the host's is used. */
  constructor(o: { address: string; port?: number; netnsPath?: string }) {
    this.address = o.address
    this.#port = o.port ?? 53
    this.#netnsPath = o.netnsPath
  }

  /** An answer is overdue and none has come since. */
  get silent(): boolean {
    return this.#silentSince !== undefined
  }

  get dead(): boolean {
    return this.#silentSince !== undefined && performance.now() - this.#silentSince >= deadAfter
  }

  get patience(): number {
    if (this.#roundTrip === undefined) return patience.first
    return Math.min(patience.most, Math.max(patience.least, 3 * this.#roundTrip))
  }

  /** True, once in a while, when a silent server should be asked again. */
  probeIsDue(): boolean {
    const now = performance.now()
    if (!this.silent || now < this.#nextProbe) return false
    this.#nextProbe = now + this.#probePause
    this.#probePause = Math.min(probeEvery.last, this.#probePause * 2)
    return true
  }

  /** The answer to what was asked at `askedAt` is overdue. While others come, the server only has trouble with that one name. */
  overdue(askedAt: number): void {
    if (this.#silentSince !== undefined || this.#lastSpoke > askedAt) return
    this.#silentSince = askedAt
    this.#probePause = probeEvery.first
    this.#nextProbe = performance.now() + this.#probePause
  }

  #spoke(askedAt: number): void {
    this.#lastSpoke = performance.now()
    const took = this.#lastSpoke - askedAt
    this.#roundTrip = this.#roundTrip === undefined ? took : this.#roundTrip * 0.8 + took * 0.2
    this.#silentSince = undefined
  }

  /** It, or the network, refuses: as if it had been silent for long. */
  #refused(): void {
    const now = performance.now()
    this.overdue(now)
    this.#silentSince = Math.min(this.#silentSince ?? now, now - deadAfter)
  }

  /** Calls off what is under way, and asks nothing more: an open socket would keep the namespace alive. */
  close(): void {
    this.#closed = true
    for (const callOff of this.#underWay) callOff()
  }

  /**
   * Asks over UDP, from a port and with an id that nobody can guess, and again when nothing comes. `done` is called once: with the
   * answer (under the query's own id), or without one when there is none within `timeout` ms or never will be. Returns what
   * calls it off.
   */
  ask(
    query: Buffer,
    o: { end: number; timeout: number },
    done: (reply: Buffer | undefined) => void,
  ): () => void {
    const askedAt = performance.now()
    const sent = withId(query, randomInt(0x10000))
    const socket = createSocket(this.address.includes(':') ? 'udp6' : 'udp4')
    const timers: NodeJS.Timeout[] = []
    let ended = false
    const finish = (reply: Buffer | undefined): void => {
      if (ended) return
      ended = true
      this.#underWay.delete(callOff)
      for (const timer of timers) clearTimeout(timer)
      socket.close()
      done(reply && withId(reply, query.readUInt16BE(0)))
    }
    const callOff = (): void => finish(undefined)
    const fail = (): void => {
      if (!ended) this.#refused()
      finish(undefined)
    }
    this.#underWay.add(callOff)
    let fd: number
    try {
      fd = this.#open(connectUdp)
    } catch {
      // No route: the next server may have one. Not at once, for `done` is not expected before this returns.
      queueMicrotask(fail)
      return callOff
    }
    socket.on('error', fail)
    socket.on('message', (reply) => {
      if (!answers(reply, sent, o.end)) return
      this.#spoke(askedAt)
      finish(reply)
    })
    socket.bind({ fd, exclusive: true })
    const send = (): void => {
      try {
        sendDatagram(fd, sent)
      } catch (error) {
        // A full queue is no fault of the server's: it is sent again later.
        if (!hasCode(error, 'EAGAIN', 'ENOBUFS')) fail()
      }
    }
    queueMicrotask(() => {
      if (!ended) send()
    })
    for (const after of resendAfter) timers.push(setTimeout(send, after))
    timers.push(
      setTimeout(() => {
        this.overdue(askedAt)
        finish(undefined)
      }, o.timeout),
    )
    return callOff
  }

  /** Asks over TCP: undefined when it has no answer within `timeout` ms. */
  askStream(query: Buffer, o: { end: number; timeout: number }): Promise<Buffer | undefined> {
    const askedAt = performance.now()
    const sent = withId(query, randomInt(0x10000))
    return new Promise((resolve) => {
      let socket: Socket
      try {
        socket = new Socket({ fd: this.#open(connectTcp), readable: true, writable: true })
      } catch {
        this.#refused()
        resolve(undefined)
        return
      }
      const finish = (reply: Buffer | undefined): void => {
        this.#underWay.delete(callOff)
        clearTimeout(timer)
        socket.destroy()
        resolve(reply && withId(reply, query.readUInt16BE(0)))
      }
      const callOff = (): void => finish(undefined)
      this.#underWay.add(callOff)
      const timer = setTimeout(callOff, o.timeout)
      const messages = new StreamMessages((reply) => {
        if (!answers(reply, sent, o.end)) return
        this.#spoke(askedAt)
        finish(reply)
      })
      socket.on('error', callOff)
      socket.on('end', callOff)
      socket.on('data', (data: Buffer) => messages.add(data))
      socket.write(frame(sent))
    })
  }

  #open(connect: (address: string, port: number) => number): number {
    if (this.#closed) throw new Error('the container is gone')
    const work = () => connect(this.address, this.#port)
    return this.#netnsPath === undefined ? work() : inNetns(this.#netnsPath, work)
  }
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}
