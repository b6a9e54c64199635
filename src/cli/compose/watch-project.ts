/** Carries changes of files into running services, as `develop.watch` wants it. */
import {
  FileWatcher,
  label,
  observeContainers,
  runHooks,
  watchRules,
  workFor,
  syncs,
  type ObservedContainer,
  type Project,
  type SyncPath,
  type WatchRule,
  type WatchWork,
} from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Context } from '../command.ts'
import { tarLiveTrees } from '../copy/tar-tree.ts'
import { describeError } from '../errors.ts'
import { bringUp } from './bring-up.ts'
import { workOf } from './converge.ts'
import { convergeDefaults } from './up-flags.ts'
import { warnOnce } from './open-project.ts'

const { lstatSync, readdirSync } = process.getBuiltinModule('node:fs')
const { join, posix } = process.getBuiltinModule('node:path')

export interface WatchOptions {
  /** None: all that have something to watch. */
  readonly services: readonly string[]
  /** Told what happens, a line at a time. */
  readonly log: (text: string) => void
  /** Hides what builds say. */
  readonly quiet: boolean
  /** Removes the images that a rebuild leaves without a name. */
  readonly prune: boolean
  readonly signal: AbortSignal
}

/** Watches until the signal is aborted. What goes wrong with a change is told, and the next one is waited for. */
export async function watchProject(context: Context, project: Project, o: WatchOptions): Promise<void> {
  const rules = watchRules(project, { services: o.services, warn: warnOnce(context) })
  if (rules.length === 0)
    throw new EngineError(
      'invalid',
      "none of the selected services is configured for watch, consider setting an 'develop' section",
    )
  const watch = new Watch(context, { ...o, project, rules })
  await watch.initialSync()
  await watch.untilAborted()
}

class Watch {
  readonly #context: Context
  readonly #o: WatchOptions & { readonly project: Project; readonly rules: readonly WatchRule[] }
  #pending = new Set<string>()
  #working = Promise.resolve()

  constructor(
    context: Context,
    o: WatchOptions & { readonly project: Project; readonly rules: readonly WatchRule[] },
  ) {
    this.#context = context
    this.#o = o
  }

  /** `initial_sync`: what is there counts as changed. */
  async initialSync(): Promise<void> {
    const paths = this.#o.rules
      .filter(({ trigger }) => syncs(trigger) && trigger.initial_sync)
      .flatMap((rule) => filesBelow(rule, rule.trigger.path))
    if (paths.length > 0) await this.#sync(workFor(this.#o.rules, paths).sync)
  }

  async untilAborted(): Promise<void> {
    const { rules, signal, log } = this.#o
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    using _watcher = new FileWatcher({
      roots: [...new Set(rules.map(({ trigger }) => trigger.path))],
      ignored: (path) => !rules.some((rule) => rule.reaches(path)),
      onChange: (paths) => this.#changed(paths),
      onError: reject,
    })
    signal.addEventListener('abort', () => resolve(), { once: true })
    log('Watch enabled')
    if (!signal.aborted) await promise
    await this.#working
  }

  /** One batch after the other: what changes meanwhile is the next one. */
  #changed(paths: ReadonlySet<string>): void {
    for (const path of paths) this.#pending.add(path)
    this.#working = this.#working.then(async () => {
      const batch = this.#pending
      if (batch.size === 0 || this.#o.signal.aborted) return
      this.#pending = new Set()
      try {
        await this.#do(workFor(this.#o.rules, batch))
      } catch (error) {
        this.#o.log(`watch: ${describeError(error)}`)
      }
    })
  }

  async #do(work: WatchWork): Promise<void> {
    if (work.rebuild.size > 0) await this.#rebuild([...work.rebuild])
    await this.#sync(work.sync)
    const { client } = this.#context
    if (work.restart.size > 0) {
      const names = [...work.restart]
      const restarts = names.map(async (name) => {
        for (const { id } of await this.#containers(name)) await client.containers.restart(id)
      })
      await Promise.all(restarts)
      this.#o.log(`service(s) ${JSON.stringify(names)} restarted`)
    }
    for (const { service, hook } of work.exec)
      for (const container of await this.#containers(service))
        await runHooks(
          workOf(this.#context, () => {}),
          { container, hooks: [hook], when: 'sync+exec' },
        )
  }

  async #rebuild(services: readonly string[]): Promise<void> {
    const { log, quiet, prune, project } = this.#o
    log(`Rebuilding service(s) ${JSON.stringify(services)} after changes were detected...`)
    await bringUp(this.#context, services, {
      ...convergeDefaults,
      build: true,
      'no-deps': true,
      'quiet-build': quiet,
      'renew-anon-volumes': false,
      start: true,
    })
    if (prune)
      await this.#context.client.images.prune({
        dangling: ['true'],
        label: [`${label.project}=${project.name}`],
      })
    log(`service(s) ${JSON.stringify(services)} successfully built`)
  }

  async #sync(sync: WatchWork['sync']): Promise<void> {
    await Promise.all(
      Array.from(sync, async ([service, paths]) => {
        const containers = await this.#containers(service)
        if (containers.length === 0) return
        const changed = paths.length === 1 ? '1 change was' : `${paths.length} changes were`
        this.#o.log(`Syncing service ${JSON.stringify(service)} after ${changed} detected`)
        await Promise.all(containers.map((container) => this.#syncOne(container, paths)))
      }),
    )
  }

  async #syncOne(container: ObservedContainer, paths: readonly SyncPath[]): Promise<void> {
    const there = (path: SyncPath) => lstatSync(path.host, { throwIfNoEntry: false }) !== undefined
    const { true: kept = [], false: gone = [] } = Object.groupBy(paths, (path) => `${there(path)}`)
    if (gone.length > 0) {
      const command = ['rm', '-rf', '--', ...gone.map((each) => each.container)]
      const work = workOf(this.#context, () => {})
      await runHooks(work, { container, hooks: [{ ...noHook, command }], when: 'sync+exec' })
    }
    if (kept.length === 0) return
    // Names in the archive are from the root: parents that are missing are made.
    const trees = kept.map((each) => ({ path: each.host, name: posix.relative('/', each.container) }))
    await this.#context.client.containers.putArchive(container.id, {
      path: '/',
      archive: tarLiveTrees(trees),
    })
  }

  /** Those of now: a rebuild gives others. */
  async #containers(service: string): Promise<readonly ObservedContainer[]> {
    const all = await observeContainers(this.#context.client, this.#o.project.name, { running: true })
    return all.filter((each) => each.service === service)
  }
}

const noHook = {
  user: '',
  privileged: false,
  working_dir: '',
  environment: new Map(),
  extensions: new Map(),
  at: { file: '', line: 0, column: 0 },
}

function filesBelow(rule: WatchRule, path: string): string[] {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat || !rule.reaches(path)) return []
  if (!stat.isDirectory()) return rule.applies(path) ? [path] : []
  return readdirSync(path).flatMap((name) => filesBelow(rule, join(path, name)))
}
