import { existsSync, closeSync, openSync, writeSync, constants } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { enlargeSendBuffers } from '../host/foreign-fds.ts'
import { connectSeqpacket, duplicateFd } from '../host/socket.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { conmonPid, stdinOnceMarker } from './conmon.ts'
import type { Relay } from './relay.ts'

/** What conmon may have on its way to a client who reads fast: more than it sends while the relay rests. Bytes. */
const sendBuffer = 1 << 20

export interface AttachOptions {
  readonly bundle: string
  readonly tty: boolean
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
}

/**
 * One client's view of a container's stdio. Reads give Docker's stream (multiplexed without a terminal, raw with one),
 * writes go to stdin, `end()` ends the input, `destroy()` leaves. 'end' comes when the output is over.
 */
export interface Attachment {
  readonly stream: Duplex
}

/**
 * Connects to conmon. Once this has resolved no output is missed: conmon takes connections before it reads output, so a
 * connection made before the start sees the first byte.
 */
export async function attach(op: Op, relay: Relay, o: AttachOptions): Promise<Attachment> {
  const fd = await connect(op, join(o.bundle, 'attach'))
  // conmon ends the process's input when any client leaves a container that was started with stdin-once: one that only
  // watches must stay until the end then.
  const mustStay = !o.stdin && existsSync(join(o.bundle, stdinOnceMarker))
  const { stream } = relay.open({
    sources: [{ fd, stream: 1, kind: 'packets' }],
    ...(o.stdin && { stdin: { fd: duplicateFd(fd), kind: 'packets' } }),
    framed: !o.tty,
    stdout: o.stdout,
    stderr: o.stderr,
    whenClientGone: mustStay ? 'drain' : 'detach',
    // At its own size, twelve packets of conmon's wait, and conmon with them.
    whenLoud: () => enlargeSendBuffers(conmonPid(o.bundle), sendBuffer),
  })
  return { stream }
}

async function connect(op: Op, path: string): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    op.signal.throwIfAborted()
    try {
      const fd = connectSeqpacket(path)
      if (fd !== undefined) return fd
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ECONNREFUSED'))
        throw new EngineError('conflict', 'the container is not running: nothing to attach to', {
          cause: error,
        })
      throw error
    }
    if (attempt === 500)
      throw new EngineError('unavailable', 'conmon does not take the connection: too many clients at once')
    await delay(5, undefined, { signal: op.signal })
  }
}

/** Tells conmon the size of the terminal's window. */
export function resizeTerminal(o: { bundle: string; rows: number; columns: number }): void {
  control(o.bundle, `1 ${o.rows} ${o.columns}\n`)
}

/** Makes conmon open its log anew, after the old one was renamed. */
export function reopenLog(bundle: string): void {
  control(bundle, '2 0 0\n')
}

function control(bundle: string, message: string): void {
  try {
    const fd = openSync(join(bundle, 'ctl'), constants.O_WRONLY | constants.O_NONBLOCK)
    try {
      writeSync(fd, message)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENXIO'))
      throw new EngineError('conflict', 'the container is not running', { cause: error })
    throw error
  }
}
