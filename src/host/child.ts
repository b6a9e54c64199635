import { EventEmitter } from 'node:events'
import { closeSync } from 'node:fs'
import net from 'node:net'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { signalName } from '../lib/signals.ts'
import { check, libc } from './libc.ts'
import { pipe } from './pipe.ts'
import { F_DUPFD_CLOEXEC, fcntl } from './socket-calls.ts'

/**
 * Children by posix_spawn(3). Node's own spawn() forks: that copies the daemon's page tables on the main thread, 2 to
 * 7 ms a child with the memory a daemon has; this takes under 1 ms whatever the size.
 */
const posixSpawnp = libc.func(
  'int posix_spawnp(_Out_ int *pid, const char *file, void *actions, void *attributes, const char **argv, const char **env)',
)
const actionsInit = libc.func('int posix_spawn_file_actions_init(void *)')
const actionsDestroy = libc.func('int posix_spawn_file_actions_destroy(void *)')
const addDup2 = libc.func('int posix_spawn_file_actions_adddup2(void *, int, int)')
const addOpen = libc.func(
  'int posix_spawn_file_actions_addopen(void *, int, const char *, int, unsigned int)',
)
const addChdir = libc.func('int posix_spawn_file_actions_addchdir_np(void *, const char *)')
const addCloseFrom = libc.func('int posix_spawn_file_actions_addclosefrom_np(void *, int)')
const attributesInit = libc.func('int posix_spawnattr_init(void *)')
const attributesDestroy = libc.func('int posix_spawnattr_destroy(void *)')
const setFlags = libc.func('int posix_spawnattr_setflags(void *, short)')
const setSigDefault = libc.func('int posix_spawnattr_setsigdefault(void *, void *)')
const setSigMask = libc.func('int posix_spawnattr_setsigmask(void *, void *)')
const sigFillSet = libc.func('int sigfillset(void *)')
const waitPid = libc.func('int waitpid(int pid, _Out_ int *status, int options)')

const POSIX_SPAWN_SETSIGDEF = 0x04
const POSIX_SPAWN_SETSIGMASK = 0x08
const POSIX_SPAWN_SETSID = 0x80
const O_RDWR = 2
const WNOHANG = 1
/** glibc's opaque types (80, 336 and 128 bytes), with room to spare. */
const structSize = 512

/** `ignore` is /dev/null; `pipe` a real pipe (readable here, but for 0: writable); a number our own descriptor. */
export type Stdio = 'ignore' | 'pipe' | number

export interface ChildOptions {
  /** The whole environment; the daemon's own by default. */
  readonly env?: Record<string, string | undefined>
  readonly cwd?: string
  /** Entry n becomes the child's descriptor n; there are no others. */
  readonly stdio: readonly Stdio[]
  /** A session of its own. */
  readonly detached?: boolean
}

interface ChildEvents {
  /** The program could not be run. Nothing else follows. */
  error: [Error & { code: string }]
  exit: [code: number | null, signal: string | null]
  /** After exit, when the pipes have ended too. */
  close: [code: number | null, signal: string | null]
}

/** A program that was started. Its events are those of Node's ChildProcess. */
export class Child extends EventEmitter<ChildEvents> {
  readonly pid: number | undefined
  /** Our ends of the pipes, by descriptor. */
  readonly stdio: readonly (net.Socket | undefined)[]
  exitCode: number | null = null
  #running = true

  constructor(pid: number | undefined, stdio: readonly (net.Socket | undefined)[]) {
    super()
    this.pid = pid
    this.stdio = stdio
    this.#running = pid !== undefined
  }

  get stdin(): net.Socket | undefined {
    return this.stdio[0]
  }
  get stdout(): net.Socket | undefined {
    return this.stdio[1]
  }
  get stderr(): net.Socket | undefined {
    return this.stdio[2]
  }

  /** False when it is gone already: its pid may be another's then, and is not touched. */
  kill(signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
    if (!this.#running || this.pid === undefined) return false
    return process.kill(this.pid, signal)
  }

  /** For the reaper alone. */
  ended(code: number | null, signal: string | null): void {
    this.#running = false
    this.exitCode = code
    this.emit('exit', code, signal)
    const open = this.stdio.slice(1).filter((stream) => stream && !stream.closed)
    let left = open.length
    if (left === 0) this.emit('close', code, signal)
    for (const stream of open)
      stream?.once('close', () => {
        if (--left === 0) this.emit('close', code, signal)
      })
  }
}

/** Starts a program, found by PATH. Failure comes as an `error` event with the system's code. */
export function spawnChild(file: string, args: readonly string[], o: ChildOptions): Child {
  const actions = Buffer.alloc(structSize)
  const attributes = Buffer.alloc(structSize)
  using cleanup = new DisposableStack()
  must(actionsInit(actions), 'posix_spawn_file_actions_init')
  cleanup.defer(() => void actionsDestroy(actions))
  must(attributesInit(attributes), 'posix_spawnattr_init')
  cleanup.defer(() => void attributesDestroy(attributes))

  const streams: (net.Socket | undefined)[] = []
  for (const [target, what] of o.stdio.entries()) {
    if (what === 'ignore') {
      must(addOpen(actions, target, '/dev/null', O_RDWR, 0), 'posix_spawn_file_actions_addopen')
      streams.push(undefined)
      continue
    }
    let source = typeof what === 'number' ? what : -1
    if (what === 'pipe') {
      const ends = pipe()
      source = target === 0 ? ends.read : ends.write
      cleanup.defer(() => closeSync(source))
      const fd = target === 0 ? ends.write : ends.read
      streams.push(new net.Socket({ fd, readable: target !== 0, writable: target === 0 }))
    } else streams.push(undefined)
    // A source among the targets could be overwritten before its turn.
    if (source < o.stdio.length) {
      const moved = check(fcntl(source, F_DUPFD_CLOEXEC, o.stdio.length), 'fcntl')
      cleanup.defer(() => closeSync(moved))
      must(addDup2(actions, moved, target), 'posix_spawn_file_actions_adddup2')
    } else must(addDup2(actions, source, target), 'posix_spawn_file_actions_adddup2')
  }
  must(addCloseFrom(actions, o.stdio.length), 'posix_spawn_file_actions_addclosefrom_np')
  if (o.cwd !== undefined) must(addChdir(actions, o.cwd), 'posix_spawn_file_actions_addchdir_np')

  // Node ignores SIGPIPE and blocks nothing; a child starts with every signal at its default.
  const signals = Buffer.alloc(structSize)
  sigFillSet(signals)
  must(setSigDefault(attributes, signals), 'posix_spawnattr_setsigdefault')
  must(setSigMask(attributes, Buffer.alloc(structSize)), 'posix_spawnattr_setsigmask')
  const flags =
    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (o.detached === true ? POSIX_SPAWN_SETSID : 0)
  must(setFlags(attributes, flags), 'posix_spawnattr_setflags')

  const env = Object.entries(o.env ?? process.env).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  )
  const pid = [0]
  // Before the child can end: a signal without a listener is lost.
  if (!listening) process.on('SIGCHLD', reap)
  listening = true
  const errno = posixSpawnp(pid, file, actions, attributes, [file, ...args, null], [...env, null]) as number
  if (errno !== 0) {
    for (const stream of streams) stream?.destroy()
    const child = new Child(undefined, streams)
    const code = getSystemErrorName(-errno)
    const error = Object.assign(new Error(`spawn ${file} ${code}`), { code, errno: -errno, syscall: 'spawn' })
    process.nextTick(() => child.emit('error', error))
    return child
  }
  const child = new Child(pid[0], streams)
  watch(child)
  return child
}

/** These functions return the error number itself. */
function must(errno: unknown, syscall: string): void {
  if (errno !== 0) throw new Error(`${syscall}: ${getSystemErrorName(-Number(errno))}`)
}

const running = new Map<number, Child>()
let keepAlive: NodeJS.Timeout | undefined

let listening = false

/** Waits for each child by its own pid, so that Node's own children are left to Node. */
function watch(child: Child): void {
  if (child.pid === undefined) return
  // Keeps the event loop alive while there are children.
  keepAlive ??= setInterval(reap, 1000)
  running.set(child.pid, child)
}

function reap(): void {
  for (const [pid, child] of running) {
    const status = [0]
    const result = waitPid(pid, status, WNOHANG) as number
    if (result === 0) continue
    running.delete(pid)
    if (result === -1) {
      if (koffi.errno() !== koffi.os.errno['EINTR']) child.ended(null, null)
      else running.set(pid, child)
      continue
    }
    const word = status[0] ?? 0
    const signal = word & 0x7f
    if (signal === 0) child.ended((word >> 8) & 0xff, null)
    else child.ended(null, signalName(signal))
  }
  if (running.size > 0) return
  clearInterval(keepAlive)
  keepAlive = undefined
}
