import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync, type FSWatcher } from 'node:fs'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { spawnChild, type Child } from '../host/child.ts'
import { runFirst } from '../host/scheduling.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'
import { parseSignal } from '../lib/signals.ts'
import { openStdio, type Stdio } from './exec-stdio.ts'
import type { OciProcess } from './oci-spec.ts'
import type { Relay } from './relay.ts'
import { startError } from './start-error.ts'

export interface ExecOptions {
  readonly id: string
  readonly process: OciProcess
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly consoleSize?: readonly [rows: number, columns: number]
}

/** A command that runs beside a container's first process. */
export interface ExecProcess {
  /** On the host. */
  readonly pid: number
  /** As an Attachment's; undefined when nothing is attached. */
  readonly stream: Duplex | undefined
  resize(rows: number, columns: number): void
  /** Its exit code, 128+n when a signal ended it. Never rejects. */
  readonly exited: Promise<number>
  kill(signal: number): void
}

/** The runtime to exec with: a container stays with the one that created it. */
export interface ExecRuntime {
  readonly name: string
  readonly path: string
  readonly root: string
}

/** How long output is waited for when the process has ended but another holds its stdio (Docker's figure). Milliseconds. */
const outputGrace = 2_000

/** Starts commands in running containers, as children of the daemon: no conmon, so they end with their output's readers. */
export class Execs {
  readonly #directory: string
  readonly #relay: Relay
  readonly #watcher: FSWatcher
  readonly #onPidFile = new Map<string, () => void>()
  #next = 1

  constructor(o: { directory: string; relay: Relay }) {
    this.#directory = o.directory
    this.#relay = o.relay
    // What an earlier daemon left belongs to commands whose output nobody can get any more.
    rmSync(o.directory, { recursive: true, force: true })
    mkdirSync(o.directory, { recursive: true, mode: 0o700 })
    this.#watcher = watch(o.directory, { persistent: false }, (_event, name) => {
      if (name !== null) this.#onPidFile.get(name)?.()
    })
  }

  close(): void {
    this.#watcher.close()
  }

  /** Resolves when the command runs. Throws RuntimeStartError when it cannot (126, 127), with nothing left behind. */
  async start(op: Op, runtime: ExecRuntime, e: ExecOptions): Promise<ExecProcess> {
    op.signal.throwIfAborted()
    const base = join(this.#directory, String(this.#next++))
    const files = { process: `${base}.json`, pid: `${base}.pid`, log: `${base}.log` }
    using undo = new DisposableStack()
    // The runtime has read and written them once the command runs.
    using _files = disposable(() => {
      for (const file of Object.values(files)) rmSync(file, { force: true })
    })
    const stdio = undo.use(
      openStdio({ ...e, runtime: basename(runtime.path), relay: this.#relay, socketPath: `${base}.s` }),
    )
    const size = e.consoleSize && { height: e.consoleSize[0], width: e.consoleSize[1] }
    writeFileSync(files.process, JSON.stringify({ ...e.process, ...(size && { consoleSize: size }) }))
    const child = spawnRuntime(runtime, { id: e.id, files, stdio })
    // crun sets the terminal's size beside the command's start: on a busy machine the command would look at it first.
    if (e.process.terminal && size && child.pid !== undefined) runFirst(child.pid)
    const exited = exitOf(child)
    const pid = await this.#started(op, { child, exited, pidFile: files.pid })
    if (pid === undefined) {
      const text = existsSync(files.log) ? readFileSync(files.log, 'utf8') : ''
      throw startError({ action: 'exec', runtime: runtime.name, text, command: e.process.args[0] ?? '' })
    }
    const session = await stdio.connect()
    undo.move()
    let ended = false
    void exited.then(() => {
      ended = true
      stdio[Symbol.dispose]()
      if (session) setTimeout(session.finish, outputGrace).unref()
    })
    const attached = e.stdin || e.stdout || e.stderr
    // Nobody looks at this terminal: what appears on it is drained.
    if (!attached) session?.stream.destroy()
    return {
      pid,
      stream: attached ? session?.stream : undefined,
      exited,
      resize: (rows, columns) => {
        if (!ended) stdio.resize({ rows, columns }, child)
      },
      kill: (signal) => {
        if (!ended) sendSignal(pid, signal)
      },
    }
  }

  /** The command's pid, from the file that the runtime writes once it runs; undefined when it could not be run. */
  async #started(
    op: Op,
    o: { child: Child; exited: Promise<number>; pidFile: string },
  ): Promise<number | undefined> {
    const name = o.pidFile.slice(this.#directory.length + 1)
    try {
      return await new Promise((resolve, reject) => {
        const check = () => {
          const pid = readPid(o.pidFile)
          if (pid !== undefined) resolve(pid)
        }
        this.#onPidFile.set(name, check)
        const onAbort = () => {
          o.child.kill('SIGKILL')
          reject(abortReason(op.signal))
        }
        op.signal.addEventListener('abort', onAbort, { once: true })
        o.child.once('error', (error) =>
          reject(
            new EngineError('internal', `cannot run the runtime: ${error.message}`, {
              cause: error,
            }),
          ),
        )
        void o.exited.then(() => {
          op.signal.removeEventListener('abort', onAbort)
          // A short command may have ended before its pid file was noticed.
          resolve(readPid(o.pidFile))
        })
      })
    } finally {
      this.#onPidFile.delete(name)
    }
  }
}

function spawnRuntime(
  runtime: ExecRuntime,
  o: { id: string; files: { process: string; pid: string; log: string }; stdio: Stdio },
): Child {
  try {
    return spawnChild(
      runtime.path,
      ['--root', runtime.root, '--log', o.files.log, 'exec'].concat(
        ['--pid-file', o.files.pid, '--process', o.files.process],
        o.stdio.args,
        o.id,
      ),
      // A session of its own: a Ctrl-C at the daemon's terminal is not for it.
      { stdio: o.stdio.child, detached: true },
    )
  } finally {
    o.stdio.closeChildEnds()
  }
}

/** The runtime's exit code is the command's; never rejects. */
function exitOf(child: Child): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(126))
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? parseSignal(signal) : 0)))
  })
}

function readPid(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function sendSignal(pid: number, signal: number): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
}

function disposable(dispose: () => void): Disposable {
  return { [Symbol.dispose]: dispose }
}
