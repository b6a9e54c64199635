import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { EngineError } from '../../lib/errors.ts'
import { looksSecret } from '../../lib/looks-secret.ts'
import type { Digest } from '../../lib/digest.ts'
import { detached, type Op } from '../../lib/op.ts'
import type { Networks } from '../../network/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Store, Table } from '../../store/index.ts'
import type { CacheItem, CacheShelf } from '../cache/item.ts'
import type { FailedRun } from '../exec/tools.ts'
import { secretsOf, type BuildRequest } from '../request.ts'
import { keptMount, recordSchema, type FailedRecord } from './record.ts'
import { openShell, type Shell, type ShellRequest } from './shell.ts'

export interface FailedStepsOptions {
  readonly store: Store
  readonly snapshots: Snapshots
  readonly runtime: Runtime
  readonly networks: Networks
  readonly runDir: string
  /** How many are kept, and for how long (ms). */
  readonly maxCount?: number
  readonly maxAge?: number
}

type Lent = Pick<BuildRequest, 'secrets' | 'ssh'>

const defaultCount = 5
const defaultAge = 24 * 3_600_000
/** How often ages are looked at. Milliseconds. */
const checkTime = 600_000

/**
 * What failed RUN steps left, for people to look at in a shell: the files with what the command wrote, and its mounts. The
 * newest few are kept, for a day at most, and not beyond a reboot.
 */
export class FailedSteps implements CacheShelf {
  readonly #o: FailedStepsOptions
  readonly #table: Table<FailedRecord>
  /** Secrets and agents of builds that still live. */
  readonly #lent = new Map<string, Lent>()
  readonly #shells = new Map<string, Shell | 'opening'>()
  /** How the last shell of each ended. */
  readonly #exits = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  readonly #exitsHeard: Disposable
  readonly #removing = new Set<Promise<void>>()

  private constructor(op: Op, o: FailedStepsOptions) {
    this.#o = o
    // Of a shell that an earlier daemon left the end is told when it is gone already: no container has such an id.
    this.#exitsHeard = o.runtime.onExit(({ id }) => {
      if (/^b[0-9a-f]{12}$/.test(id)) o.runtime.forgetExit(id)
    })
    this.#timer = setInterval(() => this.#trim(op), checkTime).unref()
    this.#table = o.store.table('failed_steps', (value) => recordSchema.parse(value))
  }

  /** Drops what is too old or was kept before a reboot; the rest is there as it was. */
  static async open(op: Op, o: FailedStepsOptions): Promise<FailedSteps> {
    const failed = new FailedSteps(op, o)
    const boot = bootId()
    const there = new Set(await o.snapshots.workspaces())
    for (const { key, record } of failed.#table.all())
      if (record.boot !== boot || !record.spaces.every(({ id }) => there.has(id)))
        await failed.#drop(op, key, record)
      else for (const { id } of record.spaces) await o.snapshots.unmount(op, id)
    failed.#trim(op)
    return failed
  }

  /** For `Tools.keepFailed` of one build, which keeps the first of its steps that fails. */
  keeper(build: string, cgroupParent: string): (op: Op, run: FailedRun) => void {
    return (op, run) => {
      if (this.#table.get(build)) return
      const { space, spaces, step } = run
      this.#table.put(build, {
        build,
        createdAt: new Date().toISOString(),
        boot: bootId(),
        space: space.id,
        spaces: spaces.map(({ id, layers }) => ({ id, layers: [...layers] })),
        mounts: run.mounts.map((mounted) => keptMount(mounted, spaces)),
        // What a proxy's URL has of a password stays in memory alone.
        step: { ...step, proxyEnv: step.proxyEnv.filter((entry) => !looksSecret('', entry)) },
        cgroupParent,
      })
      for (const each of spaces) each.keep()
      this.#trim(op)
    }
  }

  has(build: string): boolean {
    return this.#table.get(build) !== undefined
  }

  /** The failed build lives, and its secrets and agents can be had, until the signal. */
  async linger(build: string, lent: Lent, signal: AbortSignal): Promise<void> {
    this.#lent.set(build, lent)
    try {
      if (!signal.aborted) await once(signal, 'abort')
    } finally {
      this.#lent.delete(build)
    }
  }

  /** What has to stay. */
  references(): { layers: Set<Digest>; workspaces: Set<string> } {
    const spaces = this.#table.all().flatMap(({ record }) => record.spaces)
    return {
      layers: new Set(spaces.flatMap(({ layers }) => layers)),
      workspaces: new Set(spaces.map(({ id }) => id)),
    }
  }

  /** A shell, or the command that is asked for, where the step ran. Ends with `op`. Throws kind `not-found` or `conflict`. */
  async shell(op: Op, build: string, request: ShellRequest): Promise<Shell> {
    const record = this.#table.get(build)
    if (!record)
      throw new EngineError(
        'not-found',
        `no failed step of build ${build} is kept: only RUN steps are, the newest ${this.#o.maxCount ?? defaultCount} for a day`,
      )
    const last = this.#shells.get(build)
    // One that has ended may still be clearing up.
    if (last && last !== 'opening' && this.#exits.has(build)) await last.over.catch(() => undefined)
    if (this.#shells.has(build))
      throw new EngineError('conflict', `a shell is open in the failed step of build ${build} already`)
    this.#shells.set(build, 'opening')
    try {
      const { secrets = secretsOf(new Map()), ssh } = this.#lent.get(build) ?? {}
      const tools = { ...this.#o, secrets, ...(ssh && { ssh }) }
      const shell = await openShell(op, tools, { record, request })
      this.#shells.set(build, shell)
      this.#exits.delete(build)
      void shell.exited.then((code) => this.#exits.set(build, code))
      const over = shell.over.finally(() => this.#shells.delete(build))
      over.catch((error: unknown) =>
        op.log.warn('a shell in a failed step did not end well', { build, error }),
      )
      return shell
    } catch (error) {
      this.#shells.delete(build)
      throw error
    }
  }

  /** The shell that is open in it, and how the last one ended. */
  shellOf(build: string): { shell: Shell | undefined; exitCode: number | undefined } {
    const shell = this.#shells.get(build)
    return { shell: shell === 'opening' ? undefined : shell, exitCode: this.#exits.get(build) }
  }

  /** Drops it in the background, when there is one. */
  discard(op: Op, build: string): void {
    const removing: Promise<void> = this.drop(detached(op, 60_000), build)
      .then(() => undefined)
      .catch((error: unknown) => op.log.warn('removing a failed step failed', { build, error }))
      .finally(() => this.#removing.delete(removing))
    this.#removing.add(removing)
  }

  /** False when a shell is open in it, or there is none. */
  async drop(op: Op, build: string): Promise<boolean> {
    const record = this.#table.get(build)
    if (!record || this.#shells.has(build)) return false
    await this.#drop(op, build, record)
    return true
  }

  // A shelf of what builds keep

  async items(op: Op): Promise<CacheItem[]> {
    return await Promise.all(
      this.#table.all().map(async ({ record }): Promise<CacheItem> => {
        const { createdAt } = record
        const sizes = record.spaces.map(({ id }) => this.#o.snapshots.usage(op, id))
        return {
          id: itemId(record),
          type: 'internal',
          description: `failed step of build ${record.build}: ${record.step.args.join(' ')}`,
          parents: [],
          inUse: this.#shells.has(record.build),
          shared: false,
          mutable: false,
          bytes: (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0),
          createdAt,
          lastUsedAt: createdAt,
          usageCount: 1,
        }
      }),
    )
  }

  async remove(op: Op, id: string): Promise<number | undefined> {
    const item = (await this.items(op)).find((each) => each.id === id)
    const found = this.#table.all().find(({ record }) => itemId(record) === id)
    if (!item || !found || !(await this.drop(op, found.key))) return undefined
    return item.bytes
  }

  /** Ends all shells. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#exitsHeard[Symbol.dispose]()
    for (const shell of this.#shells.values()) if (shell !== 'opening') shell.kill()
    await Promise.allSettled(
      [...this.#shells.values()].flatMap((shell) => (shell === 'opening' ? [] : [shell.over])),
    )
    await Promise.all(this.#removing)
  }

  async #drop(op: Op, build: string, record: FailedRecord): Promise<void> {
    this.#table.delete(build)
    this.#exits.delete(build)
    for (const { id } of record.spaces) await this.#o.snapshots.remove(op, id)
  }

  #trim(op: Op): void {
    const { maxCount = defaultCount, maxAge = defaultAge } = this.#o
    const newest = this.#table
      .all()
      .map(({ record }) => record)
      .toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    for (const [index, record] of newest.entries())
      if (index >= maxCount || Date.now() - Date.parse(record.createdAt) > maxAge)
        this.discard(op, record.build)
  }
}

const itemId = (record: FailedRecord): string => `failed${record.build}`.slice(0, 25)

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
