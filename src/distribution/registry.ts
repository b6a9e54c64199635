import { KeyedLock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import { Holds } from './holds.ts'
import { repositoriesPrefix } from './layout.ts'
import { checkName } from './names.ts'
import type { PullThrough } from './pull-through.ts'
import { Repository } from './repository.ts'
import type { Storage } from './storage.ts'
import { Uploads } from './uploads.ts'

export interface RegistryOptions {
  /** Closed with the registry. */
  readonly storage: Storage
  /** Directory for uploads; for files storage in the file system of its root. */
  readonly spool: string
  /** How long what a push was told to be here is held for it. */
  readonly graceMs?: number
  /** What some repositories are copies of. Closed with the registry. */
  readonly pullThrough?: PullThrough | undefined
}

const hour = 3_600_000

/** Repositories over one storage, which nobody else writes. */
export class Registry implements AsyncDisposable {
  readonly storage: Storage
  readonly uploads: Uploads
  readonly holds: Holds
  readonly pullThrough: PullThrough | undefined
  readonly #locks = new KeyedLock()

  private constructor(o: RegistryOptions, uploads: Uploads) {
    this.storage = o.storage
    this.uploads = uploads
    this.pullThrough = o.pullThrough
    this.holds = new Holds({ graceMs: o.graceMs ?? hour })
  }

  static async open(o: RegistryOptions): Promise<Registry> {
    return new Registry(o, await Uploads.open(o.spool))
  }

  /** It need not be there. Throws NAME_INVALID. */
  repository(name: string): Repository {
    const { storage, uploads, holds, pullThrough } = this
    const upstream = pullThrough?.upstreamOf(checkName(name))
    const origin = pullThrough && upstream && { pullThrough, upstream }
    return new Repository({ name: checkName(name), storage, uploads, holds, locks: this.#locks, origin })
  }

  /** Its content can be fetched again: it is removed by its last use, and by no rule. */
  isCopy(name: string): boolean {
    return this.pullThrough?.upstreamOf(name) !== undefined
  }

  /** Names of those that have something in them, after `after`; in order of their components, as docker's registry has them. */
  async *repositories(op: Op, after?: string): AsyncIterable<string> {
    for await (const name of this.#below(op, '', after?.split('/') ?? [])) if (name !== after) yield name
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pullThrough?.[Symbol.asyncDispose]()
    await this.storage[Symbol.asyncDispose]()
  }

  /** `from`: of the first name that is wanted, the components below `parent`. */
  async *#below(op: Op, parent: string, from: readonly string[]): AsyncIterable<string> {
    const prefix = parent === '' ? repositoriesPrefix : `${repositoriesPrefix}/${parent}`
    const names: string[] = []
    let isRepository = false
    for await (const child of this.storage.children(op, prefix)) {
      if (child.startsWith('_')) isRepository = true
      else names.push(child)
    }
    const [first, ...rest] = from
    if (isRepository && first === undefined) yield parent
    for (const name of names.sort()) {
      if (first !== undefined && name < first) continue
      yield* this.#below(op, parent === '' ? name : `${parent}/${name}`, name === first ? rest : [])
    }
  }
}
