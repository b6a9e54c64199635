import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { releaseControllers, removeTree } from '../host/cgroup.ts'
import { enlargeOutputPipes } from '../host/foreign-fds.ts'
import { run } from '../host/spawn.ts'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { attach, reopenLog, resizeTerminal, type AttachOptions, type Attachment } from './attach.ts'
import { isMonitored, launchConmon } from './conmon.ts'
import { Execs, type ExecOptions, type ExecProcess, type ExecRuntime } from './exec.ts'
import { Exits, type ExitContext, type ExitReport } from './exits.ts'
import { ContainerLogs } from './log/container-logs.ts'
import type { LogSetup } from './log/setup.ts'
import type { OciSpec } from './oci-spec.ts'
import { installedRuntimes, probeConmon, probeRuntime, type Program } from './probe.ts'
import type { HostConfig } from '../wire/container.ts'
import { hostFacts } from './host-facts.ts'
import { Relay } from './relay.ts'
import { runStep, type StepOptions } from './run-step.ts'
import { updatedResources } from './update-resources.ts'
import { reasonIn, startError } from './start-error.ts'

export interface CreateOptions {
  readonly id: string
  /** An existing directory of the container's own; its path is short (the attach socket is in it). */
  readonly bundle: string
  readonly spec: OciSpec
  readonly tty: boolean
  readonly stdin: boolean
  /** The first client's end of input is the process's. */
  readonly stdinOnce: boolean
  readonly log: LogSetup
  /** One of the known ones; the default else. */
  readonly runtime?: string
  readonly name: string
}

/** As the runtime and the kernel see it. */
export interface RuntimeState {
  readonly status: 'created' | 'running' | 'stopped' | 'paused'
  readonly pid: number
}

const bpfAnnotation = 'run.oci.seccomp_bpf_data'
const maxFilters = 64
/** conmon takes 8 KiB at a time: with the system's 64 KiB, it and the container would wake each other for each. Bytes. */
const outputPipe = 256 << 10

/** The OCI runtime with conmon: processes in containers, independent of the daemon's life. */
export class Runtime {
  readonly name: string
  readonly path: string
  readonly version: string
  /** Paths of all that containers may choose, by name. */
  readonly known: ReadonlyMap<string, string>
  readonly conmon: { readonly path: string; readonly version: string }
  readonly #stateDir: string
  readonly #exitDir: string
  readonly #relay: Relay
  readonly #execs: Execs
  readonly #exits: Exits
  readonly #contexts = new Map<string, ExitContext>()
  readonly #logs: ContainerLogs
  /** Compiled filters by the hash of their profile: compiling takes crun 20 ms, more than all else of a create. */
  readonly #filters = new Map<string, string>()

  private constructor(
    op: Op,
    o: {
      runtime: Program
      conmon: Program
      others: Readonly<Record<string, string>>
      stateDir: string
      exitDir: string
    },
  ) {
    this.name = o.runtime.name
    this.path = o.runtime.path
    this.version = o.runtime.version
    this.known = new Map([
      ...installedRuntimes(),
      ...Object.entries(o.others),
      [o.runtime.name, o.runtime.path] as const,
    ])
    this.conmon = { path: o.conmon.path, version: o.conmon.version }
    this.#stateDir = o.stateDir
    this.#exitDir = o.exitDir
    for (const name of this.known.keys()) mkdirSync(join(o.stateDir, name), { recursive: true, mode: 0o700 })
    this.#logs = new ContainerLogs(op.log)
    this.#relay = new Relay(op.log)
    this.#execs = new Execs({ directory: join(o.stateDir, 'exec'), relay: this.#relay })
    this.#exits = new Exits({ directory: o.exitDir, log: op.log, contextOf: (id) => this.#contexts.get(id) })
  }

  /**
   * Finds out what is installed and works. `stateDir` and `exitDir` are the daemon's own and survive its restart. Throws
   * kind `unsupported`, naming what is missing.
   */
  static async probe(
    op: Op,
    o: {
      name?: string
      path?: string
      others?: Readonly<Record<string, string>>
      stateDir: string
      exitDir: string
    },
  ): Promise<Runtime> {
    for (const directory of [o.stateDir, o.exitDir]) mkdirSync(directory, { recursive: true, mode: 0o700 })
    const [runtime, conmon] = await Promise.all([probeRuntime(op, o), probeConmon(op)])
    const { others = {}, stateDir, exitDir } = o
    return new Runtime(op, { runtime, conmon, others, stateDir, exitDir })
  }

  /** A container comes: starts the thread for its output ahead of it. Idempotent, and does not wait. */
  warm(): void {
    this.#relay.start()
  }

  /**
   * Makes the container with its process waiting to be started. Throws RuntimeStartError with docker's text and exit
   * code; nothing is left then.
   */
  async create(op: Op, c: CreateOptions): Promise<{ pid: number }> {
    const runtime = this.#named(c.runtime ?? this.name)
    const { name, path, root } = runtime
    const filter = this.#filterFor(c.spec, runtime)
    writeFileSync(
      join(c.bundle, 'config.json'),
      JSON.stringify(filter ? withFilter(c.spec, filter.compiled) : c.spec),
    )
    this.#contexts.set(c.id, { bundle: c.bundle, cgroup: c.spec.linux.cgroupsPath })
    this.#logs.add(c.id, { setup: c.log, bundle: c.bundle, reopen: () => reopenLog(c.bundle) })
    const report = await launchConmon(op, {
      ...c,
      logPath: c.log.discard ? '' : c.log.path,
      conmon: this.conmon.path,
      runtime: path,
      root,
      exitDir: this.#exitDir,
    })
    if (report.pid <= 0) {
      this.forgetExit(c.id)
      await this.#logs.finish(c.id)
      await removeTree(c.spec.linux.cgroupsPath)
      throw startError({
        action: 'create',
        runtime: name,
        text: report.message,
        command: commandOf(c.spec),
      })
    }
    if (!c.tty) enlargeOutputPipes(report.pid, outputPipe)
    if (filter && filter.compiled === undefined) this.#keepFilter(filter.key, join(root, c.id, 'seccomp.bpf'))
    return { pid: report.pid }
  }

  /** Lets the created process go. */
  async start(op: Op, id: string): Promise<void> {
    const runtime = this.#runtimeOf(id)
    try {
      await this.#call(op, runtime, ['start', id])
    } catch (error) {
      if (op.signal.aborted || !(error instanceof EngineError)) throw error
      throw startError({ action: 'start', runtime: runtime.name, text: messageOf(error), command: '' })
    }
  }

  /** Sends a signal to the first process. Throws kind `conflict` when it has ended. */
  async kill(op: Op, id: string, signal: number): Promise<void> {
    await this.#call(op, this.#runtimeOf(id), ['kill', id, String(signal)])
  }

  /** Freezes all processes. */
  async pause(op: Op, id: string): Promise<void> {
    await this.#call(op, this.#runtimeOf(id), ['pause', id])
  }

  async resume(op: Op, id: string): Promise<void> {
    await this.#call(op, this.#runtimeOf(id), ['resume', id])
  }

  /** Sets the limits of a running container; of one that does not run it only says whether they are possible. */
  async update(
    op: Op,
    id: string,
    o: { hostConfig: HostConfig; live: boolean; bundle: string },
  ): Promise<void> {
    const resources = updatedResources(o.hostConfig, hostFacts())
    if (!o.live) return
    const file = join(o.bundle, 'resources.json')
    writeFileSync(file, JSON.stringify(resources))
    await this.#call(op, this.#runtimeOf(id), ['update', '--resources', file, id])
  }

  /** Takes the container away; processes that are left in it are killed. Idempotent. */
  async delete(op: Op, id: string): Promise<void> {
    const runtime = this.#runtimeOf(id)
    const cgroup = this.#contexts.get(id)?.cgroup
    if (existsSync(join(runtime.root, id))) {
      const { code, stderr } = await this.#run(op, runtime, ['delete', id])
      // runc's --force waits 100 ms, so it is for those alone that need it.
      if (code !== 0 && !isGone(stderr)) {
        const forced = await this.#run(op, runtime, ['delete', '--force', id])
        if (forced.code !== 0 && !isGone(forced.stderr))
          throw new EngineError(
            'internal',
            `${runtime.name} cannot delete the container: ${reasonIn(forced.stderr)}`,
          )
      }
    }
    if (cgroup !== undefined) await removeTree(cgroup)
    this.#contexts.delete(id)
    await this.#logs.finish(id)
  }

  /** Tells of each end once, as it happens. What ended before is for `exitOf`. */
  onExit(listener: (exit: ExitReport & { id: string }) => void): Disposable {
    return this.#exits.listen(listener)
  }

  /** How it ended, as conmon noted it; undefined while it runs, or when conmon was killed. Makes a container of an earlier daemon known. */
  exitOf(id: string, bundle: string): ExitReport | undefined {
    const known = this.#contexts.get(id) ?? readContext(bundle)
    if (known) this.#contexts.set(id, known)
    this.#logs.adopt(id, { bundle, reopen: () => reopenLog(bundle) })
    return this.#exits.read(id, known)
  }

  /** Whether its conmon is there, and so `exitOf` will know in the end. */
  isMonitored(bundle: string): boolean {
    return isMonitored(bundle)
  }

  forgetExit(id: string): void {
    this.#exits.forget(id)
  }

  /** What the kernel says; undefined when the runtime does not know the container. */
  async inspect(op: Op, id: string): Promise<RuntimeState | undefined> {
    const runtime = this.#runtimeOf(id)
    if (!existsSync(join(runtime.root, id))) return undefined
    const { code, stdout, stderr } = await this.#run(op, runtime, ['state', id])
    if (code !== 0) {
      if (isGone(stderr)) return undefined
      throw new EngineError('internal', `${runtime.name} cannot tell the state: ${reasonIn(stderr)}`)
    }
    return decodeState(stdout)
  }

  attach(op: Op, o: AttachOptions & { bundle: string }): Promise<Attachment> {
    return attach(op, this.#relay, o)
  }

  /** Of a container with a terminal. */
  async resize(op: Op, o: { bundle: string; rows: number; columns: number }): Promise<void> {
    op.signal.throwIfAborted()
    resizeTerminal(o)
  }

  /** Runs a command in a running container. Throws RuntimeStartError when it cannot be run. */
  exec(op: Op, e: ExecOptions & { bundle: string }): Promise<ExecProcess> {
    return this.#execs.start(op, this.#runtimeOf(e.id), e)
  }

  /** Runs a build step: no conmon, and nothing is left of it afterwards. */
  async runStep(op: Op, s: StepOptions): Promise<number> {
    const runtime = this.#runtime(this.name, this.path)
    const filter = this.#filterFor(s.spec, runtime)
    const spec = filter ? withFilter(s.spec, filter.compiled) : s.spec
    try {
      return await runStep(op, runtime, { ...s, spec })
    } finally {
      await removeTree(s.spec.linux.cgroupsPath)
    }
  }

  /** Ends the daemon's part; containers go on. */
  async close(): Promise<void> {
    this.#exits.close()
    this.#execs.close()
    await this.#logs.close()
    await this.#relay.close()
    releaseControllers(join(this.#stateDir, 'cgroup'))
  }

  /** Each runtime keeps its state apart, so that containers of either can be managed after a switch. */
  #runtime(name: string, path: string): ExecRuntime {
    return { name, path, root: join(this.#stateDir, name) }
  }

  /** Throws kind `invalid` in docker's words for a name that nobody knows. */
  #named(name: string): ExecRuntime {
    const path = this.known.get(name)
    if (path === undefined) throw new EngineError('invalid', `unknown or invalid runtime name: ${name}`)
    return this.#runtime(name, path)
  }

  #runtimeOf(id: string): ExecRuntime {
    const own = this.#runtime(this.name, this.path)
    if (existsSync(join(own.root, id))) return own
    for (const [name, path] of this.known) {
      const other = this.#runtime(name, path)
      if (existsSync(join(other.root, id))) return other
    }
    return own
  }

  #run(op: Op, runtime: ExecRuntime, args: string[]) {
    return run(op, [runtime.path, '--root', runtime.root, ...args], { okCodes: [0, 1] })
  }

  async #call(op: Op, runtime: ExecRuntime, args: string[]): Promise<void> {
    const { code, stderr } = await this.#run(op, runtime, args)
    if (code === 0) return
    const reason = reasonIn(stderr)
    throw new EngineError(isGone(stderr) ? 'conflict' : 'internal', `${runtime.name} ${args[0]}: ${reason}`)
  }

  /** crun takes a compiled filter and leaves its own in its state directory; runc does neither. */
  #filterFor(
    spec: OciSpec,
    { path }: ExecRuntime,
  ): { key: string; compiled: string | undefined } | undefined {
    if (basename(path) !== 'crun' || !spec.linux.seccomp) return undefined
    const key = createHash('sha256').update(JSON.stringify(spec.linux.seccomp)).digest('hex')
    return { key, compiled: this.#filters.get(key) }
  }

  #keepFilter(key: string, path: string): void {
    if (this.#filters.size >= maxFilters) this.#filters.clear()
    try {
      const compiled = readFileSync(path)
      if (compiled.length > 0) this.#filters.set(key, compiled.toString('base64'))
    } catch (error) {
      // A build without this file costs time alone.
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }
}

/** The compiled form stands beside the profile, which is then for people to read. */
function withFilter(spec: OciSpec, compiled: string | undefined): OciSpec {
  if (compiled === undefined) return spec
  return { ...spec, annotations: { ...spec.annotations, [bpfAnnotation]: compiled } }
}

/** The user's command, behind an init's `--` if there is one. */
function commandOf(spec: OciSpec): string {
  const { args } = spec.process
  return (args[0] === '/sbin/docker-init' ? args[2] : args[0]) ?? ''
}

function readContext(bundle: string): ExitContext | undefined {
  try {
    // Written by create(), in a directory that only root can write.
    const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as OciSpec
    return { bundle, cgroup: spec.linux.cgroupsPath }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function isGone(stderr: string): boolean {
  return /does not exist|No such file or directory|not running|process already finished|No such process/i.test(
    stderr,
  )
}

function decodeState(text: string): RuntimeState {
  const value: unknown = JSON.parse(text)
  const isObject = typeof value === 'object' && value !== null
  const status = isObject && 'status' in value ? value.status : undefined
  const pid = isObject && 'pid' in value && typeof value.pid === 'number' ? value.pid : 0
  if (status === 'created' || status === 'running' || status === 'stopped' || status === 'paused')
    return { status, pid }
  throw new EngineError('internal', `unknown state of a container: ${String(status)}`)
}
