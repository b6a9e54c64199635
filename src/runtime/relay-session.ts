import { type Epoll, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../host/epoll.ts'
import { closeFd, shutdownWrite } from '../host/socket.ts'
import { readSome, writeSome } from '../host/transfer.ts'
import type { StreamId } from '../wire/frame.ts'
import type { RelaySession } from './relay.ts'
import { SessionOutput } from './session-output.ts'
import { TurnBuffer } from './turn-buffer.ts'

/** conmon reads at most this much of one packet and drops the rest. */
const maxPacket = 8 << 10
/** What is taken from a client at once. Bytes. */
const inputSize = 64 << 10

/**
 * A program that writes in small pieces would wake this thread and the client for each of them. Its second
 * small piece within `rest` waits that long for more to come: one keystroke's echo is not held up, a flood comes in batches.
 * Bytes and milliseconds.
 */
const smallTurn = 32 << 10
export const rest = 1

/** What the sessions of one thread share. */
export interface SessionHost {
  readonly epoll: Epoll
  /** Whom to tell of events on a descriptor. */
  own(fd: number, session: Session): void
  /** Forgets and closes it. */
  release(fd: number): void
  /** Leaves its output to gather until then. */
  rest(session: Session, until: number): void
  isResting(session: Session): boolean
  /** All that the main thread has to pass on before output goes to the client's connection. */
  moving(total: number): void
  ended(): void
}

const turn = new TurnBuffer()
const input = Buffer.alloc(inputSize)

/** The stdio of one container or command, joined to one client. */
export class Session {
  readonly #o: RelaySession
  readonly #host: SessionHost
  /** The sources that are still open. */
  readonly #sources: Map<number, RelaySession['sources'][number]>
  readonly #output: SessionOutput
  /** What the process has not taken yet: nothing more is read from the client until it has. */
  #toProcess: Buffer | undefined
  #stdin: number | undefined
  #clientEnded = false
  #clientGone = false
  #outputEnded = false
  #finishing = false
  #lastOutput = 0

  constructor(host: SessionHost, o: RelaySession) {
    this.#host = host
    this.#o = o
    this.#output = new SessionOutput(o.client)
    this.#sources = new Map(o.sources.map((source) => [source.fd, source]))
    this.#stdin = o.stdin?.fd
    for (const fd of [o.client, ...this.#sources.keys()]) host.own(fd, this)
    if (this.#stdin !== undefined) host.own(this.#stdin, this)
    this.#afterOutput()
    this.#watch()
  }

  /** The process has ended: what is in the pipes still goes out, but whoever else holds them is not waited for. */
  finish(): void {
    this.#finishing = true
    this.wake()
  }

  /** The rest is over. */
  wake(): void {
    this.#pumpOutput()
    this.#watch()
  }

  /** From here on output goes to the client's connection, as soon as `moved()` says that all before it is there. */
  move(connection: number): void {
    if (this.#clientGone || this.#outputEnded || this.#output.connection !== undefined) {
      closeFd(connection)
      return
    }
    this.#host.own(connection, this)
    this.#output.beginMove(connection)
    this.#tellTotal()
    this.#watch()
  }

  moved(): void {
    if (this.#clientGone) return
    this.#output.endMove()
    this.wake()
  }

  handle(fd: number, events: number): void {
    if (fd === this.#output.fd && this.#output.isFull) this.#flushToClient()
    if (fd === this.#o.client) {
      if (events & EPOLLIN) this.#pumpInput()
      // Both directions are closed: whoever read this has gone.
      if (events & (EPOLLHUP | EPOLLERR)) this.#loseClient()
    } else if (fd === this.#stdin) {
      this.#flushToProcess()
    } else if (this.#sources.has(fd)) {
      this.#pumpOutput(fd)
    }
    this.#watch()
  }

  /** Brings epoll's interests in line with the state. */
  #watch(): void {
    const { epoll } = this.#host
    const reads = !this.#output.isBusy && !this.#host.isResting(this)
    // Taken out, not set to 0: a pipe that hung up is reported for ever otherwise.
    for (const fd of this.#sources.keys()) epoll.watch(fd, reads ? EPOLLIN : undefined)
    if (!this.#clientGone) {
      const { client } = this.#o
      const { fd, isFull, connection } = this.#output
      const wantsInput = !this.#clientEnded && this.#toProcess === undefined
      epoll.watch(client, (wantsInput ? EPOLLIN : 0) | (isFull && fd === client ? EPOLLOUT : 0))
      // The main thread notices when it breaks, and leaves this session.
      if (connection !== undefined)
        epoll.watch(connection, isFull && fd === connection ? EPOLLOUT : undefined)
    }
    if (this.#stdin !== undefined)
      epoll.watch(this.#stdin, this.#toProcess === undefined ? undefined : EPOLLOUT)
    if (this.#clientGone && this.#sources.size === 0 && this.#stdin === undefined) this.#host.ended()
  }

  #pumpOutput(only?: number): void {
    if (this.#output.isBusy) return
    let moved = 0
    const wants = (stream: StreamId) =>
      !this.#clientGone && (stream === 1 ? this.#o.stdout : stream === 2 && this.#o.stderr)
    const wishes = { framed: this.#o.framed, wants }
    for (const [fd, source] of this.#sources) {
      if (only !== undefined && fd !== only) continue
      const state =
        source.kind === 'packets' ? turn.readPackets(fd, wishes) : turn.readBytes(fd, source.stream, wishes)
      if (state === 'ended' || (state === 'empty' && this.#finishing)) this.#closeSource(fd)
      const { data } = turn
      moved += data.length
      if (data.length > 0 && !this.#output.send(data)) this.#loseClient()
      if (this.#output.isBusy) return
    }
    this.#afterOutput()
    const now = performance.now()
    if (moved > 0 && moved < smallTurn && now - this.#lastOutput < 2 * rest) this.#host.rest(this, now + rest)
    this.#lastOutput = now
  }

  #flushToClient(): void {
    if (!this.#output.flush()) return this.#loseClient()
    this.#tellTotal()
    if (this.#finishing) this.#pumpOutput()
    else this.#afterOutput()
  }

  #tellTotal(): void {
    const { total } = this.#output
    if (total !== undefined) this.#host.moving(total)
  }

  #afterOutput(): void {
    if (this.#sources.size > 0 || this.#output.isBusy || this.#outputEnded) return
    this.#outputEnded = true
    this.#closeStdin()
    // Not closed: input that nobody reads would turn the client's end of output into ECONNRESET.
    if (!this.#clientGone) shutdownWrite(this.#o.client)
  }

  #pumpInput(): void {
    if (this.#toProcess !== undefined) return
    const size = readSome(this.#o.client, input, inputSize)
    if (size === 'empty') return
    if (size === 'failed') return this.#loseClient()
    if (size === 0) {
      this.#clientEnded = true
      this.#endStdin()
      return
    }
    // What comes after the process closed its input is dropped, as a shell's pipe would.
    if (this.#stdin !== undefined) this.#feed(Buffer.from(input.subarray(0, size)))
  }

  #flushToProcess(): void {
    const pending = this.#toProcess
    this.#toProcess = undefined
    if (pending) this.#feed(pending)
    if (this.#toProcess === undefined && this.#clientEnded) this.#endStdin()
  }

  #feed(data: Buffer): void {
    const { stdin } = this.#o
    let rest = data
    while (rest.length > 0 && this.#stdin !== undefined && stdin) {
      const piece = stdin.kind === 'packets' ? rest.subarray(0, maxPacket) : rest
      const sent = writeSome(this.#stdin, piece)
      if (sent === 'failed') return this.#closeStdin()
      rest = rest.subarray(sent)
      if (sent < piece.length) break
    }
    this.#toProcess = rest.length > 0 && this.#stdin !== undefined ? rest : undefined
  }

  /** The client said that its input is over. */
  #endStdin(): void {
    if (this.#stdin === undefined || this.#toProcess !== undefined) return
    if (this.#o.stdin?.kind === 'packets') shutdownWrite(this.#stdin)
    // A terminal has no end of input but what is typed; closing ours would hang it up once the output's is closed.
    this.#closeStdin()
  }

  #closeStdin(): void {
    if (this.#stdin === undefined) return
    this.#toProcess = undefined
    this.#host.release(this.#stdin)
    this.#stdin = undefined
  }

  #closeSource(fd: number): void {
    this.#sources.delete(fd)
    this.#host.release(fd)
  }

  /** Nobody reads any more. The process goes on: its output is read and dropped, or conmon left alone. */
  #loseClient(): void {
    if (this.#clientGone) return
    this.#clientGone = true
    const { connection } = this.#output
    this.#output.drop()
    this.#host.release(this.#o.client)
    if (connection !== undefined) this.#host.release(connection)
    this.#closeStdin()
    if (this.#o.whenClientGone === 'detach') for (const fd of this.#sources.keys()) this.#closeSource(fd)
    this.#afterOutput()
  }
}
