import { rmSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Child } from '../host/child.ts'
import { receiveFd } from '../host/fd-pass.ts'
import { enlargePipe, pipe } from '../host/pipe.ts'
import { openTerminal, setWindowSize } from '../host/pty.ts'
import { acceptConnection, closeFd, duplicateFd, listenUnix, setNonBlocking } from '../host/socket.ts'
import { EngineError } from '../lib/errors.ts'
import type { OciProcess } from './oci-spec.ts'
import type { Relay } from './relay.ts'

/** The relay rests for a millisecond at times: a fast writer must not stand still meanwhile. Bytes. */
const pipeSize = 256 << 10

/** What an exec's process gets as stdio, and our ends of it. Dispose when the process has ended. */
export interface Stdio extends Disposable {
  /** For spawn(). */
  readonly child: readonly ('ignore' | number)[]
  /** More arguments of the runtime's exec. */
  readonly args: readonly string[]
  /** To be called once the child has them. */
  closeChildEnds(): void
  /** Hands our ends to the relay once the process runs; undefined when there are none. */
  connect(): Promise<{ stream: Duplex; finish: () => void } | undefined>
  /** Of a terminal; else nothing happens. */
  resize(size: { rows: number; columns: number }, child: Child): void
}

export interface StdioOptions {
  readonly process: OciProcess
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly consoleSize?: readonly [rows: number, columns: number]
  readonly runtime: string
  readonly relay: Relay
  /** For a console socket; short. */
  readonly socketPath: string
}

export function openStdio(o: StdioOptions): Stdio {
  if (o.process.terminal)
    // runc takes a console socket only when it detaches, and nobody would learn the exit code then.
    return o.runtime === 'runc' ? ownTerminal(o) : consoleSocket(o)
  if (o.stdin || o.stdout || o.stderr) return pipes(o)
  return {
    child: ['ignore', 'ignore', 'ignore'],
    args: [],
    closeChildEnds() {},
    connect: () => Promise.resolve(undefined),
    resize() {},
    [Symbol.dispose]() {},
  }
}

function pipes(o: StdioOptions): Stdio {
  using undo = new DisposableStack()
  const childEnds = undo.use(new DisposableStack())
  const ours = undo.use(new DisposableStack())
  const fd = (stack: DisposableStack, number: number) => stack.adopt(number, closeFd)
  const input = o.stdin ? pipe() : undefined
  if (input) {
    fd(childEnds, input.read)
    fd(ours, input.write)
    setNonBlocking(input.write)
  }
  // With stdin alone the end of stdout still tells when the session is over.
  const wantsOutput = o.stdout || !o.stderr
  const outputs = [wantsOutput, o.stderr].map((wanted) => {
    if (!wanted) return undefined
    const ends = pipe()
    fd(childEnds, ends.write)
    fd(ours, ends.read)
    setNonBlocking(ends.read)
    enlargePipe(ends.read, pipeSize)
    return ends
  })
  undo.move()
  return {
    child: [input?.read ?? 'ignore', outputs[0]?.write ?? 'ignore', outputs[1]?.write ?? 'ignore'],
    args: [],
    closeChildEnds: () => childEnds.dispose(),
    connect: () => {
      ours.move()
      const session = o.relay.open({
        sources: outputs.flatMap((ends, index) =>
          ends
            ? [{ fd: ends.read, stream: index === 0 ? (1 as const) : (2 as const), kind: 'bytes' as const }]
            : [],
        ),
        ...(input && { stdin: { fd: input.write, kind: 'bytes' } }),
        framed: true,
        stdout: o.stdout,
        stderr: o.stderr,
        whenClientGone: 'drain',
      })
      return Promise.resolve(session)
    },
    resize() {},
    [Symbol.dispose]: () => {
      childEnds.dispose()
      ours.dispose()
    },
  }
}

/** crun makes the terminal inside the container and sends us its master. */
function consoleSocket(o: StdioOptions): Stdio {
  const listener = listenUnix(o.socketPath)
  const terminal = new Terminal(o)
  let isListening = true
  const stopListening = () => {
    if (!isListening) return
    isListening = false
    closeFd(listener)
    rmSync(o.socketPath, { force: true })
  }
  return {
    child: ['ignore', 'ignore', 'ignore'],
    args: ['--console-socket', o.socketPath],
    closeChildEnds() {},
    connect: async () => {
      const master = await receiveMaster(listener)
      stopListening()
      return terminal.connect(master)
    },
    resize: (size) => terminal.resize(size),
    [Symbol.dispose]: () => {
      stopListening()
      terminal.close()
    },
  }
}

/** It has been sent when the process runs; the loop is for the moment between the two. */
async function receiveMaster(listener: number): Promise<number> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const connection = acceptConnection(listener)
    if (connection !== undefined) {
      try {
        for (; attempt < 1000; attempt++) {
          const master = receiveFd(connection)
          if (master !== undefined) return master
          await delay(2)
        }
      } finally {
        closeFd(connection)
      }
    }
    await delay(2)
  }
  throw new EngineError('internal', 'the runtime sent no terminal')
}

/** runc makes the terminal inside the container and copies between it and the one that it has itself. */
function ownTerminal(o: StdioOptions): Stdio {
  const { master, slave } = openTerminal()
  const terminal = new Terminal(o)
  if (o.consoleSize) setWindowSize(master, { rows: o.consoleSize[0], columns: o.consoleSize[1] })
  let isOurs = true
  let isOpen = true
  const closeChildEnds = () => {
    if (isOpen) closeFd(slave)
    isOpen = false
  }
  return {
    child: [slave, slave, slave],
    args: [],
    closeChildEnds,
    connect: () => {
      isOurs = false
      return Promise.resolve(terminal.connect(master))
    },
    resize: (size, child) => {
      terminal.resize(size)
      // It is not the session's controlling terminal, so the kernel tells nobody.
      child.kill('SIGWINCH')
    },
    [Symbol.dispose]: () => {
      closeChildEnds()
      if (isOurs) closeFd(master)
      isOurs = false
      terminal.close()
    },
  }
}

/** Our end of a terminal: the relay has one descriptor for reading and one for writing, we keep one for its size. */
class Terminal {
  readonly #o: StdioOptions
  #control: number | undefined

  constructor(o: StdioOptions) {
    this.#o = o
  }

  connect(master: number): { stream: Duplex; finish: () => void } {
    const o = this.#o
    setNonBlocking(master)
    this.#control = duplicateFd(master)
    if (o.consoleSize) this.resize({ rows: o.consoleSize[0], columns: o.consoleSize[1] })
    return o.relay.open({
      sources: [{ fd: master, stream: 1, kind: 'bytes' }],
      ...(o.stdin && { stdin: { fd: duplicateFd(master), kind: 'bytes' } }),
      framed: false,
      stdout: o.stdout || o.stderr,
      stderr: false,
      whenClientGone: 'drain',
    })
  }

  resize(size: { rows: number; columns: number }): void {
    if (this.#control !== undefined) setWindowSize(this.#control, size)
  }

  close(): void {
    if (this.#control !== undefined) closeFd(this.#control)
    this.#control = undefined
  }
}
