import type { Duplex } from 'node:stream'
import { EngineError } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import type { Op } from '../lib/op.ts'
import type { ExecProcess } from '../runtime/index.ts'
import type { ExecConfig, ExecStartBody } from '../wire/container.ts'
import type { Container } from './container.ts'
import { emit, type Host } from './host.ts'
import { processIn } from './process-in.ts'

/** How long an ended exec can still be inspected, as in docker. Milliseconds. */
const keepEnded = 5 * 60_000

/** One command run beside a container's first process. Lives in memory: it ends with the daemon's view of it. */
export interface ExecSession {
  readonly id: string
  readonly container: Container
  readonly config: ExecConfig
  readonly command: readonly string[]
  state:
    | { readonly status: 'created' }
    | { readonly status: 'running'; readonly process: ExecProcess }
    | { readonly status: 'exited'; readonly exitCode: number; readonly pid: number }
}

/** The exec sessions of all containers. */
export class Execs {
  readonly #host: Host
  readonly #sessions = new Map<string, ExecSession>()

  constructor(host: Host) {
    this.#host = host
  }

  create(c: Container, config: ExecConfig): string {
    requireRunning(c)
    const command = config.Cmd ?? []
    if (command.length === 0) throw new EngineError('invalid', 'No exec command specified')
    const id = newId()
    this.#sessions.set(id, { id, container: c, config, command, state: { status: 'created' } })
    emit(this.#host, c, { action: `exec_create: ${command.join(' ')}`, attributes: { execID: id } })
    return id
  }

  find(id: string): ExecSession {
    const session = this.#sessions.get(id)
    if (!session) throw new EngineError('not-found', `No such exec instance: ${id}`)
    return session
  }

  idsOf(c: Container): string[] {
    return [...this.#sessions.values()]
      .filter((session) => session.container === c && session.state.status === 'running')
      .map((session) => session.id)
  }

  /** Starts it; the stream is there unless it runs detached. Throws when the command cannot be run (126, 127). */
  async start(op: Op, id: string, o: ExecStartBody): Promise<{ tty: boolean; stream?: Duplex }> {
    const session = this.find(id)
    const { container: c, config } = session
    if (session.state.status !== 'created')
      throw new EngineError('conflict', `exec ${id} has already been started`)
    requireRunning(c)
    const tty = config.Tty === true
    const consoleSize = o.ConsoleSize ?? config.ConsoleSize
    const detached = o.Detach === true
    emit(this.#host, c, {
      action: `exec_start: ${session.command.join(' ')}`,
      attributes: { execID: id },
    })
    const process = await this.#launch(op, session, {
      stdin: !detached && config.AttachStdin === true,
      stdout: !detached && config.AttachStdout === true,
      stderr: !detached && config.AttachStderr === true,
      ...(tty && consoleSize ? { consoleSize } : {}),
    })
    session.state = { status: 'running', process }
    void process.exited.then((exitCode) => {
      session.state = { status: 'exited', exitCode, pid: process.pid }
      emit(this.#host, c, { action: 'exec_die', attributes: { execID: id, exitCode: String(exitCode) } })
      setTimeout(() => this.#sessions.delete(id), keepEnded).unref()
    })
    return process.stream && !detached ? { tty, stream: process.stream } : { tty }
  }

  async #launch(
    op: Op,
    session: ExecSession,
    stdio: { stdin: boolean; stdout: boolean; stderr: boolean; consoleSize?: [number, number] },
  ): Promise<ExecProcess> {
    const { container: c } = session
    try {
      return await this.#host.runtime.exec(op, {
        id: c.id,
        bundle: c.bundle,
        process: await processIn(c, { ...session.config, Cmd: session.command }),
        ...stdio,
      })
    } catch (error) {
      const exitCode = error instanceof Error && 'exitCode' in error ? Number(error.exitCode) : 126
      session.state = { status: 'exited', exitCode, pid: 0 }
      setTimeout(() => this.#sessions.delete(session.id), keepEnded).unref()
      throw error
    }
  }

  resize(id: string, rows: number, columns: number): void {
    const session = this.find(id)
    if (session.state.status !== 'running')
      throw new EngineError('conflict', `exec process ${id} is not running`)
    session.state.process.resize(rows, columns)
  }

  forget(c: Container): void {
    for (const session of this.#sessions.values())
      if (session.container === c) this.#sessions.delete(session.id)
  }
}

function requireRunning(c: Container): void {
  if (c.state.status === 'paused')
    throw new EngineError('conflict', `Container ${c.name} is paused, unpause the container before exec`)
  if (c.state.status === 'restarting')
    throw new EngineError('conflict', `Container ${c.id} is restarting, wait until the container is running`)
  if (c.state.status !== 'running') throw new EngineError('conflict', `container ${c.id} is not running`)
}
