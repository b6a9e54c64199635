import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { LogCopies } from './copies.ts'
import { LogRotation } from './rotation.ts'
import type { LogSetup } from './setup.ts'

/** What the daemon does for the logs of running containers: rotation, and copies where a driver wants them. */
export class ContainerLogs {
  readonly #rotation: LogRotation
  readonly #copies: LogCopies
  readonly #known = new Set<string>()

  constructor(log: Logger) {
    this.#rotation = new LogRotation(log)
    this.#copies = new LogCopies(log)
  }

  /** Before the container is created. `reopen` makes its conmon open the log anew. */
  add(id: string, o: { setup: LogSetup; bundle: string; reopen: () => void }): void {
    writeFileSync(setupPath(o.bundle), JSON.stringify(o.setup), { mode: 0o600 })
    this.#take(id, o)
  }

  /** A container of an earlier daemon, by what that one wrote into the bundle. Nothing happens to one that is known. */
  adopt(id: string, o: { bundle: string; reopen: () => void }): void {
    if (this.#known.has(id)) return
    try {
      // Written by add(), in a directory that only root can write.
      const setup = JSON.parse(readFileSync(setupPath(o.bundle), 'utf8')) as LogSetup
      this.#take(id, { ...o, setup })
    } catch (error) {
      // It is over, or it was started before logs were rotated.
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }

  /** The container has ended: its last lines are copied. */
  async finish(id: string): Promise<void> {
    this.#rotation.remove(id)
    if (this.#known.delete(id)) await this.#copies.finish(id)
  }

  async close(): Promise<void> {
    this.#rotation.close()
    await this.#copies.close()
  }

  #take(id: string, o: { setup: LogSetup; reopen: () => void }): void {
    this.#known.add(id)
    this.#rotation.add(id, o)
    this.#copies.add(id, o.setup)
  }
}

const setupPath = (bundle: string): string => join(bundle, 'log.json')
