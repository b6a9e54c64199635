/** Our standard streams joined to a container's: what run, attach, start -a and exec share. */
import type { Duplex } from 'node:stream'
import { OutputQueue } from './output-queue.ts'
import { copyOutput } from './streams.ts'

export interface SessionOptions {
  readonly stream: Duplex
  /** The container has a terminal: its stream is raw bytes. */
  readonly tty: boolean
  readonly stdin: boolean
  /** Whether the container's output comes over this stream at all. */
  readonly output: boolean
  /** Empty: the sequence is not looked for. */
  readonly detachKeys: string
  /** Tells the daemon our terminal's size, now and when it changes. */
  readonly resize: (size: { rows: number; columns: number }) => Promise<unknown>
}

export interface Session {
  /** All output is written, or the person has detached. */
  readonly ended: Promise<'ended' | 'detached'>
  /** Call once the container runs: its terminal gets our size. */
  started(): void
  /** Restores our terminal and lets go of the stream. Idempotent. */
  close(): void
}

/** Begins to copy at once. */
export async function openSession(o: SessionOptions): Promise<Session> {
  const queue = new OutputQueue()
  const undo: (() => void)[] = []
  const close = () => {
    for (const action of undo.splice(0).toReversed()) action()
  }
  let detach = () => {}
  const detached = new Promise<'detached'>((resolve) => (detach = () => resolve('detached')))
  let started = () => {}
  if (o.tty) started = await prepareTerminal(o, undo, detach)
  else if (o.stdin) pipeInput(o.stream, undo)
  else o.stream.on('error', () => {})
  const copied = o.output ? copyOutput(o.stream, queue, { raw: o.tty }) : inputDone(o)
  const ended = Promise.race([copied.then(() => queue.flushed()).then(() => 'ended' as const), detached])
  undo.push(() => o.stream.destroy())
  return { ended: ended.finally(close), started, close }
}

/** Input alone is attached: the session lasts as long as our own input. */
function inputDone(o: SessionOptions): Promise<void> {
  o.stream.resume()
  return new Promise((resolve) => {
    o.stream.on('finish', resolve)
    o.stream.on('close', resolve)
  })
}

function pipeInput(stream: Duplex, undo: (() => void)[]): void {
  const { stdin } = process
  // The container may end first: then nobody wants the rest.
  stream.on('error', () => {})
  stdin.on('error', () => stream.end())
  // pipe() ends the stream with our input: the container sees end of file, and its output goes on.
  stdin.pipe(stream)
  undo.push(() => {
    stdin.unpipe(stream)
    stdin.pause()
  })
}

async function prepareTerminal(
  o: SessionOptions,
  undo: (() => void)[],
  detach: () => void,
): Promise<() => void> {
  const { DetachWatcher, parseDetachKeys, rawMode, terminalSize } = await import('./terminal.ts')
  o.stream.on('error', () => {})
  const keys = o.detachKeys === '' ? undefined : parseDetachKeys(o.detachKeys)
  if (o.stdin) {
    const { stdin } = process
    if (stdin.isTTY) {
      const raw = rawMode()
      undo.push(() => raw[Symbol.dispose]())
    }
    const watcher = keys && new DetachWatcher(keys)
    const onData = (data: Buffer) => {
      if (!watcher) {
        o.stream.write(data)
        return
      }
      const { forward, detached } = watcher.push(data)
      if (forward.length > 0) o.stream.write(forward)
      if (detached) detach()
    }
    const onEnd = () => o.stream.end()
    stdin.on('data', onData)
    stdin.on('end', onEnd)
    undo.push(() => {
      stdin.off('data', onData)
      stdin.off('end', onEnd)
      stdin.pause()
    })
  }
  const resize = () => {
    const size = terminalSize()
    // Too early or too late is no harm: the size was given at create, and the next change comes again.
    if (size) o.resize(size).catch(() => {})
  }
  process.on('SIGWINCH', resize)
  undo.push(() => process.off('SIGWINCH', resize))
  return resize
}

const proxied = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGCONT',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGPWR',
] as const satisfies readonly NodeJS.Signals[]

/** Passes the signals that we get on to the container. */
export function proxySignals(send: (signal: string) => Promise<unknown>): Disposable {
  const listener = (signal: NodeJS.Signals) => {
    // A container that is gone cannot be told; its exit is already on the way.
    send(signal).catch(() => {})
  }
  for (const signal of proxied) process.on(signal, listener)
  return {
    [Symbol.dispose]: () => {
      for (const signal of proxied) process.off(signal, listener)
    },
  }
}
