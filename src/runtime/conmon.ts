import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnChild } from '../host/child.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'

/** Present in the bundle of a container whose first client's end of input is the process's. */
export const stdinOnceMarker = 'stdin-once'

export interface ConmonOptions {
  readonly conmon: string
  readonly runtime: string
  /** The runtime's `--root`. */
  readonly root: string
  readonly exitDir: string
  readonly id: string
  readonly name: string
  readonly bundle: string
  /** Empty: the output is not kept. */
  readonly logPath: string
  readonly tty: boolean
  readonly stdin: boolean
  readonly stdinOnce: boolean
}

/** What conmon says on its sync pipe: the container's pid, or the runtime's complaint with pid -1. */
export interface ConmonReport {
  readonly pid: number
  readonly message: string
}

/**
 * Starts a conmon, which creates the container with the runtime, holds its stdio, writes its log and notes its exit code. It
 * goes into a session of its own and needs nothing of ours afterwards, so it outlives the daemon. Resolves when the
 * container is created or the runtime has refused (`pid` is -1 then).
 */
export async function launchConmon(op: Op, o: ConmonOptions): Promise<ConmonReport> {
  if (o.stdinOnce) writeFileSync(join(o.bundle, stdinOnceMarker), '')
  const pidFile = pidFileOf(o.bundle)
  const child = spawnChild(o.conmon, conmonArguments(o, pidFile), {
    cwd: o.bundle,
    // The daemon's environment is none of the container's business; the runtime looks things up by PATH alone.
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', _OCI_SYNCPIPE: '3' },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const sync = child.stdio[3]
  let report = ''
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  try {
    const line = await new Promise<string>((resolve, reject) => {
      const onAbort = () => {
        child.kill('SIGKILL')
        reject(abortReason(op.signal))
      }
      op.signal.addEventListener('abort', onAbort, { once: true })
      child.once('error', (error) =>
        reject(new EngineError('internal', `cannot run ${o.conmon}: ${error.message}`, { cause: error })),
      )
      sync?.on('data', (chunk: Buffer) => {
        report += chunk.toString()
        const end = report.indexOf('\n')
        if (end >= 0) resolve(report.slice(0, end))
      })
      sync?.once('error', reject)
      sync?.once('end', () =>
        reject(new EngineError('internal', `conmon gave up: ${complaint.trim() || 'no reason given'}`)),
      )
      child.once('close', () => op.signal.removeEventListener('abort', onAbort))
    })
    return decode(line)
  } finally {
    // conmon ignores SIGPIPE and the failures of these pipes.
    sync?.destroy()
    child.stderr?.destroy()
  }
}

const pidFileOf = (bundle: string) => join(bundle, 'conmon.pid')

/** The conmon that was started for a bundle. */
export const conmonPid = (bundle: string): number => Number(readFileSync(pidFileOf(bundle), 'utf8'))

/** Whether the bundle's conmon is there, and so will tell how the container ends. */
export function isMonitored(bundle: string): boolean {
  try {
    const pid = conmonPid(bundle)
    // The kernel gives pids again: it is conmon where the bundle is among its arguments.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(bundle)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return false
    throw error
  }
}

function conmonArguments(o: ConmonOptions, pidFile: string): string[] {
  return [
    '--api-version',
    '1',
    '--cid',
    o.id,
    '--cuuid',
    o.id,
    '--name',
    o.name,
    '--runtime',
    o.runtime,
    '--runtime-arg',
    '--root',
    '--runtime-arg',
    o.root,
    '--bundle',
    o.bundle,
    '--conmon-pidfile',
    pidFile,
    '--exit-dir',
    o.exitDir,
    '--full-attach',
    '--no-sync-log',
    '--log-path',
    o.logPath === '' ? 'none:' : `k8s-file:${o.logPath}`,
    '--log-level',
    'error',
    ...(o.tty ? ['--terminal'] : []),
    ...(o.stdin ? ['--stdin'] : []),
    ...(o.stdin && !o.stdinOnce ? ['--leave-stdin-open'] : []),
  ]
}

function decode(line: string): { pid: number; message: string } {
  const value: unknown = JSON.parse(line)
  const isObject = typeof value === 'object' && value !== null
  const pid = isObject && 'data' in value ? value.data : undefined
  const message = isObject && 'message' in value ? value.message : ''
  if (typeof pid !== 'number') throw new EngineError('internal', `conmon said ${line.slice(0, 200)}`)
  return { pid, message: typeof message === 'string' ? message : '' }
}
