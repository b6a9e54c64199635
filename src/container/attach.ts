import { Duplex, PassThrough, type Readable } from 'node:stream'
import type { ReadableWritablePair } from 'node:stream/web'
import { EngineError, messageOf } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'
import { openLog } from '../runtime/index.ts'
import type { Container } from './container.ts'
import { emit, type Host } from './host.ts'
import { assertReadable, logDetails } from './logging.ts'
import { isLive } from './state.ts'

export interface AttachOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** Live output and input; without it only what `logs` asks for. */
  readonly stream: boolean
  /** What was written before comes first. */
  readonly logs: boolean
}

export interface LogOptions {
  readonly follow: boolean
  /** Nanoseconds since 1970. */
  readonly since?: bigint | undefined
  readonly until?: bigint | undefined
  /** Lines from the end; absent means all. */
  readonly tail?: number | undefined
  readonly timestamps: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** The attributes that log options choose stand before each line. */
  readonly details?: boolean
}

/**
 * Joins a client to the container's stdio. Registered when this returns: the stream settles at once when the
 * container runs, else between its create and its start, so that no byte is missed; it rejects when the start fails
 * or the container goes away.
 */
export function attach(op: Op, host: Host, c: Container, o: AttachOptions): Promise<Duplex> {
  if (c.state.status === 'paused')
    throw new EngineError('conflict', `container ${c.id} is paused, unpause the container before attach`)
  if (c.state.status === 'restarting')
    throw new EngineError('conflict', `container ${c.id} is restarting, wait until the container is running`)
  emit(host, c, { action: 'attach' })
  const connect = () =>
    host.runtime.attach(op, {
      bundle: c.bundle,
      tty: c.tty,
      stdin: o.stdin && c.config.OpenStdin === true,
      stdout: o.stdout,
      stderr: o.stderr,
    })
  if (!o.stream) return Promise.resolve(logsAsDuplex(op, c, o))
  if (isLive(c.state))
    return connect().then((live) => (o.logs ? afterLogs(op, c, o, live.stream) : live.stream))
  return new Promise<Duplex>((resolve, reject) => {
    const settle = () => {
      c.pendingAttaches.delete(onCreate)
      started[Symbol.dispose]()
      removed[Symbol.dispose]()
      op.signal.removeEventListener('abort', onAbort)
    }
    const onCreate = async () => {
      settle()
      try {
        const { stream } = await connect()
        resolve(stream)
      } catch (error) {
        reject(error instanceof Error ? error : new Error(messageOf(error)))
      }
    }
    const fail = (why: string) => {
      settle()
      reject(new EngineError('conflict', why))
    }
    const onAbort = () => {
      settle()
      reject(abortReason(op.signal))
    }
    c.pendingAttaches.add(onCreate)
    const started = c.starts.listen(() => fail(`container ${c.id} did not start`))
    const removed = c.removals.listen(() => fail(`container ${c.id} was removed`))
    op.signal.addEventListener('abort', onAbort, { once: true })
    if (op.signal.aborted) onAbort()
  })
}

/** The container's log as bytes ready to send: multiplexed, or raw for a terminal. */
export function logs(op: Op, c: Container, o: LogOptions): Readable {
  const { since, until, tail, details, ...rest } = o
  assertReadable(c)
  const log = openLog(op, {
    ...rest,
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(tail === undefined ? {} : { tail }),
    ...(details && { details: logDetails(c) }),
    path: c.logPath,
    framing: c.tty ? 'raw' : 'multiplexed',
    ended: c.ended,
  })
  if (o.follow) {
    c.followed.add(log)
    log.once('close', () => c.followed.delete(log))
  }
  return log
}

function logsAsDuplex(op: Op, c: Container, o: AttachOptions): Duplex {
  const out = new PassThrough()
  if (!o.logs) return out.end()
  return logs(op, c, { follow: false, timestamps: false, stdout: o.stdout, stderr: o.stderr }).pipe(out)
}

function afterLogs(op: Op, c: Container, o: AttachOptions, live: Duplex): Duplex {
  const past = logs(op, c, { follow: false, timestamps: false, stdout: o.stdout, stderr: o.stderr })
  const output = new PassThrough()
  past.pipe(output, { end: false })
  past.once('end', () => live.pipe(output))
  past.once('error', (error) => output.destroy(error))
  // Node's Duplex.from() takes a pair of streams; its types know only the web's pair.
  return Duplex.from({ readable: output, writable: live } as unknown as ReadableWritablePair)
}
