import { readFileSync, rmSync, statSync, watch, type FSWatcher } from 'node:fs'
import { join } from 'node:path'
import { oomKills } from '../host/cgroup.ts'
import { Broadcast } from '../lib/broadcast.ts'
import { hasCode } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'

export interface ExitReport {
  readonly exitCode: number
  readonly oomKilled: boolean
  readonly finishedAt: Date
}

/** Where a container's traces are: for finding out whether memory ran out. */
export interface ExitContext {
  readonly bundle: string
  readonly cgroup: string
}

/**
 * How containers ended: conmon leaves a file named by the id with the exit code, which outlives daemon and container until it is forgotten.
 * Each end is told once.
 */
export class Exits {
  readonly #directory: string
  readonly #listeners = new Broadcast<ExitReport & { id: string }>()
  readonly #told = new Set<string>()
  readonly #contextOf: (id: string) => ExitContext | undefined
  readonly #watcher: FSWatcher

  constructor(o: { directory: string; log: Logger; contextOf: (id: string) => ExitContext | undefined }) {
    this.#directory = o.directory
    this.#contextOf = o.contextOf
    this.#watcher = watch(o.directory, { persistent: false }, (_event, name) => {
      // Files with a dot are conmon's temporary ones: it renames them when they are complete.
      if (name === null || name.includes('.')) return
      try {
        this.#tell(name)
      } catch (error) {
        o.log.error('cannot read how a container ended', { id: name, error })
      }
    })
    this.#watcher.on('error', (error) => o.log.error('cannot watch for exits', { error }))
  }

  listen(listener: (exit: ExitReport & { id: string }) => void): Disposable {
    return this.#listeners.listen(listener)
  }

  read(id: string, context: ExitContext | undefined): ExitReport | undefined {
    const path = join(this.#directory, id)
    try {
      const exitCode = Number(readFileSync(path, 'utf8'))
      return { exitCode, oomKilled: oomKilled(context), finishedAt: statSync(path).mtime }
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  forget(id: string): void {
    rmSync(join(this.#directory, id), { force: true })
    this.#told.delete(id)
  }

  close(): void {
    this.#watcher.close()
  }

  #tell(id: string): void {
    const exit = this.read(id, this.#contextOf(id))
    if (!exit || this.#told.has(id)) return
    this.#told.add(id)
    this.#listeners.publish({ id, ...exit })
  }
}

/** The kernel's count as long as the cgroup is there, else the file that conmon leaves in the bundle. */
function oomKilled(context: ExitContext | undefined): boolean {
  if (!context) return false
  if ((oomKills(context.cgroup) ?? 0) > 0) return true
  return statSync(join(context.bundle, 'oom'), { throwIfNoEntry: false }) !== undefined
}
