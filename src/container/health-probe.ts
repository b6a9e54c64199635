import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import * as cgroup from '../host/cgroup.ts'
import { startTime } from '../host/proc.ts'
import { killTree } from '../host/process-tree.ts'
import { hasCode, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { formatDuration } from '../lib/units.ts'
import type { ExecProcess } from '../runtime/index.ts'
import { FrameDecoder } from '../wire/frame.ts'
import type { Container } from './container.ts'
import type { HealthCheck, ProbeResult } from './health.ts'
import { cgroupOf, type Host } from './host.ts'
import { processIn } from './process-in.ts'

/** Docker keeps so many bytes of a probe's output. */
const maxOutput = 4096
/** How long the runtime may take to start a probe: that does not count as the probe's own time. Milliseconds. */
const startLimit = 30_000
/** What another process that holds the probe's output may still say after its end. Milliseconds. */
const outputGrace = 100

/** A probe that runs. */
export interface Probe {
  /** How it went; a time-out is told as soon as the time is up. Never rejects. */
  readonly result: Promise<ProbeResult>
  /** When nothing of it is left. Never rejects. */
  readonly gone: Promise<void>
}

/**
 * Starts one check in the container. An abort of `op` kills it, as the time-out does: with everything that it started. Never
 * rejects: a probe that cannot be started is a failed one.
 */
export async function startProbe(op: Op, host: Host, c: Container, check: HealthCheck): Promise<Probe> {
  const start = new Date().toISOString()
  const failed = (output: string): ProbeResult => ({
    start,
    end: new Date().toISOString(),
    exitCode: -1,
    output,
  })
  let running: ExecProcess
  try {
    running = await host.runtime.exec(
      { ...op, signal: AbortSignal.any([op.signal, AbortSignal.timeout(startLimit)]) },
      {
        id: c.id,
        bundle: c.bundle,
        process: await processIn(c, { Cmd: check.command }),
        stdin: false,
        stdout: true,
        stderr: true,
      },
    )
  } catch (error) {
    const text =
      error instanceof Error && error.name === 'TimeoutError'
        ? `Health check could not be started within ${startLimit / 1000} s`
        : messageOf(error)
    return { result: Promise.resolve(failed(text)), gone: Promise.resolve() }
  }
  note(c, running.pid)
  const output = new LimitedOutput(running.stream)
  const over = new AbortController()
  const gone = running.exited.then(() => {
    over.abort()
    rmSync(notePath(c), { force: true })
  })
  const settled = AbortSignal.any([over.signal, op.signal])
  const timeUp = delay(check.timeout, true, { signal: settled, ref: false }).catch(() => false)
  const kill = () =>
    void killTree(running.pid, { among: () => cgroup.pidsOf(cgroupOf(host, c)) }).catch((error: unknown) =>
      op.log.error('cannot kill a health check', { id: c.id, error }),
    )
  op.signal.addEventListener('abort', kill, { once: true })
  const finish = async (): Promise<ProbeResult> => {
    if (await timeUp) {
      kill()
      const said = output.text === '' ? '' : `: ${output.text}`
      return failed(`Health check exceeded timeout (${formatDuration(check.timeout * 1e6)})${said}`)
    }
    if (op.signal.aborted) return failed('Health check called off')
    const exitCode = await running.exited
    await Promise.race([output.ended, delay(outputGrace, undefined, { ref: false })])
    return { start, end: new Date().toISOString(), exitCode, output: output.text }
  }
  const result = finish().finally(() => op.signal.removeEventListener('abort', kill))
  return { result, gone }
}

/** Ends the probe that a killed daemon left running: nobody would ever end it. */
export async function killLeftProbe(op: Op, host: Host, c: Container): Promise<void> {
  const left = readNote(c)
  if (left && startTime(left.pid) === left.startTime)
    await killTree(left.pid, { among: () => cgroup.pidsOf(cgroupOf(host, c)) }).catch((error: unknown) =>
      op.log.error('cannot kill a health check', { id: c.id, error }),
    )
  rmSync(notePath(c), { force: true })
}

/** The beginning of what a probe says; the rest is read and dropped by the relay, so that the probe never stands still. */
class LimitedOutput {
  readonly ended: Promise<void>
  #text = Buffer.alloc(0)
  #isCut = false

  constructor(stream: Readable | undefined) {
    const decoder = new FrameDecoder((_stream, data) => this.#add(data))
    this.ended = new Promise((resolve) => {
      if (!stream) return resolve()
      stream.on('data', (chunk: Buffer) => {
        decoder.push(chunk)
        if (this.#isCut) stream.destroy()
      })
      stream.once('close', () => resolve())
      stream.once('end', () => resolve())
    })
  }

  /** Docker marks what is cut. */
  get text(): string {
    return this.#text.toString() + (this.#isCut ? '...' : '')
  }

  #add(data: Buffer): void {
    const room = maxOutput - this.#text.length
    this.#text = Buffer.concat([this.#text, data.subarray(0, room)])
    if (data.length > room) this.#isCut = true
  }
}

const notePath = (c: Container): string => join(c.bundle, 'health-probe')

/** For the daemon that comes after this one, should it be killed meanwhile. */
function note(c: Container, pid: number): void {
  const started = startTime(pid)
  if (started === undefined) return
  try {
    writeFileSync(notePath(c), `${pid} ${started}`)
  } catch (error) {
    // The container has ended and its bundle is gone: so is the probe.
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

function readNote(c: Container): { pid: number; startTime: number } | undefined {
  try {
    const [pid = Number.NaN, started = Number.NaN] = readFileSync(notePath(c), 'utf8').split(' ').map(Number)
    // Half a note, of a daemon that was killed while it wrote, names nobody.
    return Number.isNaN(pid + started) ? undefined : { pid, startTime: started }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
