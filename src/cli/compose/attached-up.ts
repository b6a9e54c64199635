/** `up` in the foreground: the output of all containers until they have ended, or somebody has had enough. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DaemonError } from '../../client/index.ts'
import {
  label,
  LogFollower,
  observeContainers,
  stopContainer,
  alongGraph,
  graphOfServices,
  type Project,
} from '../../compose/index.ts'
import type { EventMessage } from '../../wire/system.ts'
import type { Context } from '../command.ts'
import type { BroughtUp } from './bring-up.ts'
import { workOf } from './converge.ts'
import type { LogPrinter } from './log-printer.ts'
import { withProgress } from './progress.ts'
import { shownName } from './shown-name.ts'

export interface AttachedOptions {
  readonly printer: LogPrinter
  /** Whether the output of a service is wanted. */
  readonly isShown: (service: string) => boolean
  /** What the end of a container means: nothing, the end of all, or that only if it failed. */
  readonly cascade: 'ignore' | 'stop' | 'fail'
  /** The service whose exit code is ours. */
  readonly exitCodeFrom: string
  /** Seconds that containers have to stop. */
  readonly timeout: number | undefined
}

/** Log drivers that can be read while they are written, on every engine. */
const kept: readonly string[] = ['', 'json-file', 'k8s-file', 'local', 'journald']

export class AttachedUp {
  readonly #context: Context
  readonly #o: AttachedOptions
  readonly #running = new Set<string>()
  readonly #stopEvents = new AbortController()
  readonly #interrupt = new AbortController()
  #begun: string | undefined
  /** Those that ran before. */
  readonly #reused = new Set<string>()
  readonly #followers = new Map<string, LogFollower>()
  readonly #listening = new Set<string>()
  #project: Project | undefined
  #events: Promise<void> = Promise.resolve()
  #exitCode = 0
  #signals = 0
  #stopping: Promise<void> | undefined
  readonly #stopBegun = Promise.withResolvers<void>()
  readonly #detached = Promise.withResolvers<void>()

  constructor(context: Context, o: AttachedOptions) {
    this.#context = context
    this.#o = o
  }

  /** Aborted by the first Ctrl-C: nothing more is started. */
  get signal(): AbortSignal {
    return this.#interrupt.signal
  }

  /** Listens for Ctrl-C from now until `close()`: once to stop gracefully, once more to kill. */
  listen(): Disposable {
    const listener = () => this.interrupt()
    process.on('SIGINT', listener)
    process.on('SIGTERM', listener)
    return {
      [Symbol.dispose]: () => {
        process.off('SIGINT', listener)
        process.off('SIGTERM', listener)
      },
    }
  }

  /** Call before anything starts: no line and no end is missed. */
  readonly attach = async ({ project, containers }: BroughtUp): Promise<void> => {
    this.#project = project
    const { client } = this.#context
    const { printer } = this.#o
    const all = [...containers].flatMap(([service, those]) => those.map((each) => ({ service, ...each })))
    const shown = all.filter(({ service }) => this.#o.isShown(service))
    const names = shown.map((each) => this.#shown(each))
    printer.register(names)
    this.#context.out(`Attaching to ${names.join(', ')}\n`)
    const events = await client.system.watch({
      filters: {
        type: ['container'],
        label: [`${label.project}=${project.name}`],
        event: ['start', 'die'],
      },
      signal: this.#stopEvents.signal,
    })
    await Promise.all(
      all.map(async (each) => {
        this.#running.add(each.id)
        if (each.running) this.#open(each, { fresh: false })
        else await this.#prepare(each)
      }),
    )
    // What they said in an earlier life is no news.
    if (this.#reused.size > 0) this.#begun = await this.#now()
    this.#events = this.#watch(events)
    // Awaited in `ended()`; it must not be unhandled until then.
    this.#events.catch(() => {})
  }

  /** All have started. Resolves with the exit code when nothing runs any more. */
  async ended(): Promise<number> {
    if (this.#running.size > 0) await Promise.race([this.#events, this.#stopped(), this.#detached.promise])
    await this.#stopping
    this.#stopEvents.abort()
    await this.#o.printer.flushed()
    return this.#exitCode
  }

  /** After a stop: the ends are told within a moment, but for what was never started. */
  async #stopped(): Promise<void> {
    await this.#stopBegun.promise
    await this.#stopping
    await sleep(500)
  }

  /** What was started goes, since the rest cannot be. */
  async giveUp(): Promise<void> {
    this.#stopEvents.abort()
    await this.#stopping
    await this.#o.printer.flushed()
  }

  /** The containers go on without us. */
  detach(): void {
    this.#detached.resolve()
  }

  /** What else is said goes between the lines of the containers. */
  say(text: string): void {
    this.#context.out(`${text}\n`)
  }

  interrupt(): void {
    this.#signals++
    this.#exitCode = 130
    if (this.#signals === 1) {
      this.#context.err('Gracefully Stopping... press Ctrl+C again to force\n')
      this.#interrupt.abort(new Error('interrupted'))
      this.#stop()
    } else if (this.#signals === 2) void this.#kill()
  }

  #shown({ name, service }: { readonly name: string; readonly service: string }): string {
    const project = this.#project?.name ?? ''
    const number = Number(/-(\d+)$/.exec(name)?.[1] ?? 0)
    return shownName(project, { name, service, number })
  }

  #follower(since: string | undefined): LogFollower {
    const { printer } = this.#o
    return new LogFollower({
      client: this.#context.client,
      signal: this.#stopEvents.signal,
      range: { tail: 'all', since },
      onLine: (container, line) => (printer.line(container.name, line) ? undefined : printer.drained()),
    })
  }

  #open(
    o: { readonly id: string; readonly name: string; readonly service: string },
    { fresh, since }: { fresh: boolean; since?: string | undefined },
  ): void {
    if (!this.#o.isShown(o.service)) return
    const follower = this.#followers.get(o.id) ?? this.#follower(since)
    this.#followers.set(o.id, follower)
    follower.open({ id: o.id, name: this.#shown(o) }, { fresh })
  }

  /** What is about to start: what it said in an earlier life is no news, and what no log keeps is to be heard from the start. */
  async #prepare(o: { readonly id: string; readonly name: string; readonly service: string }): Promise<void> {
    const { State, HostConfig } = await this.#context.client.containers.inspect(o.id)
    if (Date.parse(State.FinishedAt) > 0) this.#reused.add(o.id)
    if (kept.includes(HostConfig.LogConfig?.Type ?? '') || !this.#o.isShown(o.service)) return
    const follower = this.#follower(undefined)
    this.#followers.set(o.id, follower)
    this.#listening.add(o.id)
    await follower.attach({ id: o.id, name: this.#shown(o) })
  }

  /** By the engine's clock, as logs are asked for. */
  async #now(): Promise<string> {
    const { SystemTime: time } = await this.#context.client.system.info()
    const [, whole = '', fraction = '', zone = ''] =
      /^([^.Z+]*?)(?:\.(\d+))?(Z|[-+]\d\d:\d\d)$/.exec(time) ?? []
    return `${Math.floor(Date.parse(whole + zone) / 1000)}.${fraction.padEnd(9, '0')}`
  }

  async #watch(events: AsyncIterable<EventMessage>): Promise<void> {
    for await (const { Action: action, Actor: actor } of events) {
      const attributes = actor.Attributes ?? {}
      if (attributes[label.oneOff] === 'True') continue
      const each = { service: attributes[label.service] ?? '', name: attributes['name'] ?? '' }
      const name = this.#shown(each)
      if (action === 'start') {
        this.#running.add(actor.ID)
        // Attached since before its start.
        if (this.#listening.delete(actor.ID)) continue
        const since = this.#reused.has(actor.ID) ? this.#begun : undefined
        this.#open({ ...each, id: actor.ID }, { fresh: true, since })
        continue
      }
      await this.#died({ id: actor.ID, ...each, name, code: Number(attributes['exitCode'] ?? 0) })
      if (this.#running.size === 0) break
    }
    await Promise.all(Array.from(this.#followers.values(), (follower) => follower.ended()))
  }

  async #died(o: { id: string; name: string; service: string; code: number }): Promise<void> {
    const again = this.#stopping === undefined && (await this.#staysUp(o.id))
    if (this.#o.isShown(o.service))
      this.#o.printer.status(o.name, `exited with code ${o.code}${again ? ' (restarting)' : ''}`)
    if (again) return
    this.#running.delete(o.id)
    const { cascade, exitCodeFrom } = this.#o
    if (o.service === exitCodeFrom) this.#exitCode = o.code
    if (this.#stopping || cascade === 'ignore' || (cascade === 'fail' && o.code === 0)) return
    if (exitCodeFrom === '') this.#exitCode = o.code
    this.#context.err('Aborting on container exit...\n')
    this.#stop()
  }

  /** One that its restart policy brings back has not ended. */
  async #staysUp(id: string): Promise<boolean> {
    try {
      const { State } = await this.#context.client.containers.inspect(id)
      return State.Running || State.Restarting
    } catch (error) {
      if (error instanceof DaemonError && error.kind === 'not-found') return false
      throw error
    }
  }

  #stop(): void {
    this.#stopping ??= withProgress(this.#context, { title: 'Stopping' }, async (report) => {
      const project = this.#project
      if (!project) return
      const work = workOf(this.#context, report, { timeout: this.#o.timeout })
      const containers = await observeContainers(this.#context.client, project.name)
      const of = (service: string) =>
        containers.filter((each) => each.service === service && each.state !== 'created')
      await alongGraph(
        graphOfServices(project.services),
        async (service) => {
          await Promise.all(of(service).map((container) => stopContainer(work, container, project)))
        },
        { reverse: true },
      )
    })
    this.#stopping.catch(() => {})
    this.#stopBegun.resolve()
  }

  async #kill(): Promise<void> {
    const { client } = this.#context
    // One that has just ended needs no kill.
    await Promise.allSettled(Array.from(this.#running, (id) => client.containers.kill(id)))
  }
}
