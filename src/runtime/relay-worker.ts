/**
 * The thread that carries containers' stdio between conmon or exec's pipes and the main thread: it waits in epoll for
 * all sessions at once, frames output as Docker does and keeps back-pressure exact (it reads no more than it could hand on).
 * Commands come as JSON lines on a pipe: this thread is blocked in epoll, so messages between threads would not arrive.
 */
import { workerData } from 'node:worker_threads'
import { Epoll, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../host/epoll.ts'
import { closeFd, shutdownWrite } from '../host/socket.ts'
import { readSome, writeSome } from '../host/transfer.ts'
import type { RelayCommand, RelaySession } from './relay.ts'

const headerSize = 8
/** What one turn of a session moves at most, so that a loud one does not keep others waiting. Bytes. */
const turnSize = 256 << 10
/** conmon reads at most this much of one packet and drops the rest. */
const maxPacket = 8 << 10
/** conmon's packets hold 8 KiB and the byte that names the stream; newer ones may hold more. */
const packetRoom = 64 << 10

/**
 * A program that writes in small pieces would wake this thread, the main thread and the client for each of them. Its second
 * small piece within `rest` waits that long for more to come: one keystroke's echo is not held up, a flood comes in batches.
 * Bytes and milliseconds.
 */
const smallTurn = 32 << 10
const rest = 1

const scratch = Buffer.alloc(turnSize + packetRoom)
const epoll = new Epoll()

class Session {
  readonly #o: RelaySession
  /** The sources that are still open. */
  readonly #sources: Map<number, RelaySession['sources'][number]>
  /** What the client has not taken yet: nothing more is read from the sources until it has. */
  #toClient: Buffer | undefined
  /** What the process has not taken yet: nothing more is read from the client until it has. */
  #toProcess: Buffer | undefined
  #stdin: number | undefined
  #clientEnded = false
  #clientGone = false
  #outputEnded = false
  #finishing = false
  #lastOutput = 0

  constructor(o: RelaySession) {
    this.#o = o
    this.#sources = new Map(o.sources.map((source) => [source.fd, source]))
    this.#stdin = o.stdin?.fd
    for (const fd of [o.client, ...this.#sources.keys()]) owners.set(fd, this)
    if (this.#stdin !== undefined) owners.set(this.#stdin, this)
    this.#afterOutput()
    this.#watch()
  }

  /** The process has ended: what is in the pipes still goes out, but whoever else holds them is not waited for. */
  finish(): void {
    this.#finishing = true
    if (this.#toClient === undefined) this.#pumpOutput()
    this.#watch()
  }

  /** The rest is over. */
  wake(): void {
    if (this.#toClient === undefined) this.#pumpOutput()
    this.#watch()
  }

  handle(fd: number, events: number): void {
    if (fd === this.#o.client) {
      if (events & EPOLLOUT) this.#flushToClient()
      if (events & EPOLLIN) this.#pumpInput()
      // Both directions are closed: whoever read this has gone.
      if (events & (EPOLLHUP | EPOLLERR)) this.#loseClient()
    } else if (fd === this.#stdin) {
      this.#flushToProcess()
    } else if (this.#sources.has(fd) && this.#toClient === undefined) {
      this.#pumpOutput(fd)
    }
    this.#watch()
  }

  /** Brings epoll's interests in line with the state. */
  #watch(): void {
    const reads = this.#toClient === undefined && !resting.has(this)
    // Taken out, not set to 0: a pipe that hung up is reported for ever otherwise.
    for (const fd of this.#sources.keys()) epoll.watch(fd, reads ? EPOLLIN : undefined)
    if (!this.#clientGone) {
      const wantsInput = !this.#clientEnded && this.#toProcess === undefined
      epoll.watch(this.#o.client, (wantsInput ? EPOLLIN : 0) | (this.#toClient === undefined ? 0 : EPOLLOUT))
    }
    if (this.#stdin !== undefined)
      epoll.watch(this.#stdin, this.#toProcess === undefined ? undefined : EPOLLOUT)
    if (this.#clientGone && this.#sources.size === 0 && this.#stdin === undefined) sessions.delete(this.#o.id)
  }

  #pumpOutput(only?: number): void {
    let moved = 0
    for (const [fd, source] of this.#sources) {
      if (only !== undefined && fd !== only) continue
      const filled = source.kind === 'packets' ? this.#readPackets(fd) : this.#readBytes(fd, source.stream)
      moved += filled
      if (filled > 0) this.#send(filled)
      if (this.#toClient !== undefined) return
    }
    this.#afterOutput()
    const now = performance.now()
    if (moved > 0 && moved < smallTurn && now - this.#lastOutput < 2 * rest) resting.set(this, now + rest)
    this.#lastOutput = now
  }

  /** Fills scratch from a pipe or a terminal; returns how much of it is to be sent. */
  #readBytes(fd: number, stream: number): number {
    let at = 0
    // Counted apart from `at`, which stands still while output is dropped.
    for (let taken = 0; taken < turnSize && at < turnSize;) {
      const start = this.#o.framed ? at + headerSize : at
      const size = readSome(fd, scratch.subarray(start), turnSize + packetRoom - start)
      if (size === 'empty' || size === 'failed' || size === 0) {
        if (size !== 'empty' || this.#finishing) this.#closeSource(fd)
        break
      }
      taken += size
      if (this.#wants(stream)) at = this.#frame(at, stream, size)
    }
    return at
  }

  /** The same from conmon's attach socket: each packet starts with a byte, 2 for stdout and 3 for stderr. */
  #readPackets(fd: number): number {
    const lead = this.#o.framed ? headerSize - 1 : -1
    // One byte ahead, so that the packet's first byte always has room before its payload.
    const base = this.#o.framed ? 0 : 1
    let at = base
    for (let taken = 0; taken < turnSize && at < turnSize;) {
      const start = at + lead
      const overwritten = scratch[start] ?? 0
      const size = readSome(fd, scratch.subarray(start), packetRoom)
      if (size === 'empty' || size === 'failed' || size === 0) {
        if (size !== 'empty' || this.#finishing) this.#closeSource(fd)
        break
      }
      taken += size
      const stream = (scratch[start] ?? 0) - 1
      if (!this.#o.framed) scratch[start] = overwritten
      if (this.#wants(stream)) at = this.#frame(at, stream, size - 1)
    }
    if (base > 0) scratch.copyWithin(0, base, at)
    return at - base
  }

  #wants(stream: number): boolean {
    return !this.#clientGone && (stream === 1 ? this.#o.stdout : stream === 2 && this.#o.stderr)
  }

  /** Writes the header before the payload that lies behind it, if headers there are. Returns the end. */
  #frame(at: number, stream: number, size: number): number {
    if (!this.#o.framed) return at + size
    scratch.writeUInt32BE(stream << 24, at)
    scratch.writeUInt32BE(size, at + 4)
    return at + headerSize + size
  }

  #send(size: number): void {
    const sent = writeSome(this.#o.client, scratch.subarray(0, size))
    if (sent === 'failed') this.#loseClient()
    else if (sent < size) this.#toClient = Buffer.from(scratch.subarray(sent, size))
  }

  #flushToClient(): void {
    if (this.#toClient === undefined) return
    const sent = writeSome(this.#o.client, this.#toClient)
    if (sent === 'failed') return this.#loseClient()
    this.#toClient = sent < this.#toClient.length ? this.#toClient.subarray(sent) : undefined
    this.#afterOutput()
  }

  #afterOutput(): void {
    if (this.#sources.size > 0 || this.#toClient !== undefined || this.#outputEnded) return
    this.#outputEnded = true
    this.#closeStdin()
    // Not closed: input that nobody reads would turn the client's end of output into ECONNRESET.
    if (!this.#clientGone) shutdownWrite(this.#o.client)
  }

  #pumpInput(): void {
    if (this.#toProcess !== undefined) return
    const size = readSome(this.#o.client, scratch, 64 << 10)
    if (size === 'empty') return
    if (size === 'failed') return this.#loseClient()
    if (size === 0) {
      this.#clientEnded = true
      this.#endStdin()
      return
    }
    // What comes after the process closed its input is dropped, as a shell's pipe would.
    if (this.#stdin !== undefined) this.#feed(Buffer.from(scratch.subarray(0, size)))
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
    release(this.#stdin)
    this.#stdin = undefined
  }

  #closeSource(fd: number): void {
    this.#sources.delete(fd)
    release(fd)
  }

  /** Nobody reads any more. The process goes on: its output is read and dropped, or conmon left alone. */
  #loseClient(): void {
    if (this.#clientGone) return
    this.#clientGone = true
    this.#toClient = undefined
    release(this.#o.client)
    this.#closeStdin()
    if (this.#o.whenClientGone === 'detach') for (const fd of this.#sources.keys()) this.#closeSource(fd)
    this.#afterOutput()
  }
}

const sessions = new Map<number, Session>()
/** Sessions whose output is left to gather, and until when, in that order. */
const resting = new Map<Session, number>()
const owners = new Map<number, Session>()

function release(fd: number): void {
  epoll.watch(fd, undefined)
  owners.delete(fd)
  closeFd(fd)
}

function wakeRested(): void {
  if (resting.size === 0) return
  const now = performance.now()
  for (const [session, until] of resting) {
    if (until > now) break
    resting.delete(session)
    session.wake()
  }
}

function main(control: number): void {
  let text = ''
  let open = true
  const buffer = Buffer.alloc(64 << 10)
  epoll.watch(control, EPOLLIN)
  while (open) {
    let hasCommands = false
    epoll.wait(resting.size > 0 ? rest : -1, (fd, events) => {
      if (fd === control) hasCommands = true
      else owners.get(fd)?.handle(fd, events)
    })
    wakeRested()
    // Last of its batch: a new session may have got a number that another one has just given back.
    if (!hasCommands) continue
    const size = readSome(control, buffer, buffer.length)
    if (size === 0 || size === 'failed') return
    if (size === 'empty') continue
    text += buffer.toString('latin1', 0, size)
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      // Written by the main thread, which shares the type.
      const command = JSON.parse(line) as RelayCommand
      if (command.op === 'open') sessions.set(command.session.id, new Session(command.session))
      else if (command.op === 'finish') sessions.get(command.id)?.finish()
      else open = false
    }
  }
}

try {
  // Given by relay.ts.
  main((workerData as { control: number }).control)
} finally {
  // They belong to the process, not to this thread: processes and readers at their other ends would wait for ever.
  for (const fd of owners.keys()) closeFd(fd)
}
