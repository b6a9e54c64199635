import { EventEmitter, once } from 'node:events'
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, hexOf } from '../../lib/digest.ts'
import { hasCode } from '../../lib/errors.ts'
import { newId } from '../../lib/id.ts'
import { KeyedLock } from '../../lib/lock.ts'
import type { Op } from '../../lib/op.ts'
import type { Sharing } from '../dockerfile/mounts.ts'
import type { Json } from '../solver/vertex.ts'

interface Instance {
  readonly name: string
  users: number
  /** How those who use it now do so. */
  sharing: Sharing
}

export interface CacheMount extends Disposable {
  readonly path: string
}

/**
 * Directories of `RUN --mount=type=cache`, below `<root>/<key>-<id>`: they outlive steps, builds and the daemon. A key has several
 * when steps that do not share ran at the same time; the next ones take up what is free.
 */
export class CacheMounts {
  readonly #root: string
  readonly #instances = new Map<string, Instance[]>()
  readonly #lock = new KeyedLock()
  readonly #released = new EventEmitter().setMaxListeners(0)

  private constructor(root: string) {
    this.#root = root
  }

  /** What was half-made or half-removed when the daemon ended goes. */
  static async open(root: string): Promise<CacheMounts> {
    await mkdir(root, { recursive: true, mode: 0o700 })
    const mounts = new CacheMounts(root)
    for (const name of (await readdir(root)).toSorted()) {
      const key = /^([0-9a-f]{64})-[0-9a-z]+$/.exec(name)?.[1]
      if (key === undefined) await rm(join(root, name), { recursive: true, force: true })
      else mounts.#of(key).push({ name, users: 0, sharing: 'shared' })
    }
    return mounts
  }

  static keyOf(identity: Json): string {
    return hexOf(digestOf(JSON.stringify(identity)))
  }

  /** Lends a directory; `fill` gives a new one its first content. A locked one that is in use is waited for. */
  async acquire(
    op: Op,
    o: { key: string; sharing: Sharing; fill: (path: string) => Promise<void> },
  ): Promise<CacheMount> {
    for (;;) {
      const found = await this.#take(op, o)
      if (found) return found
      await once(this.#released, o.key, { signal: op.signal })
    }
  }

  /** Removes all that is not in use. */
  async prune(): Promise<{ bytes: number; count: number }> {
    let bytes = 0
    let count = 0
    for (const [key, instances] of this.#instances) {
      using _lock = await this.#lock.acquire(key)
      for (const instance of instances.filter((each) => each.users === 0)) {
        const gone = join(this.#root, `gone-${newId().slice(0, 12)}`)
        await rename(join(this.#root, instance.name), gone)
        instances.splice(instances.indexOf(instance), 1)
        bytes += await sizeOf(gone)
        count++
        await rm(gone, { recursive: true, force: true })
      }
    }
    return { bytes, count }
  }

  async #take(
    op: Op,
    o: { key: string; sharing: Sharing; fill: (path: string) => Promise<void> },
  ): Promise<CacheMount | undefined> {
    using _lock = await this.#lock.acquire(o.key, op.signal)
    const instances = this.#of(o.key)
    const shared = o.sharing === 'shared' && instances.find((i) => i.users > 0 && i.sharing === 'shared')
    let found = shared || instances.find((instance) => instance.users === 0)
    if (!found && o.sharing === 'locked' && instances.length > 0) return undefined
    if (!found) instances.push((found = await this.#make(o)))
    const instance = found
    instance.users++
    instance.sharing = o.sharing
    let released = false
    return {
      path: join(this.#root, instance.name, 'data'),
      [Symbol.dispose]: () => {
        if (released) return
        released = true
        instance.users--
        this.#released.emit(o.key)
      },
    }
  }

  async #make(o: { key: string; fill: (path: string) => Promise<void> }): Promise<Instance> {
    const id = newId().slice(0, 12)
    const temporary = join(this.#root, `new-${id}`)
    const name = `${o.key}-${id}`
    try {
      await mkdir(join(temporary, 'data'), { recursive: true, mode: 0o755 })
      await o.fill(join(temporary, 'data'))
      await rename(temporary, join(this.#root, name))
    } catch (error) {
      await rm(temporary, { recursive: true, force: true })
      throw error
    }
    return { name, users: 0, sharing: 'shared' }
  }

  #of(key: string): Instance[] {
    const known = this.#instances.get(key) ?? []
    this.#instances.set(key, known)
    return known
  }
}

/** Bytes of the regular files below a directory that nobody writes any more. */
async function sizeOf(path: string): Promise<number> {
  let total = 0
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    const child = Buffer.concat([Buffer.from(`${path}/`), entry.name])
    try {
      if (entry.isDirectory()) total += await sizeOf(child.toString())
      else if (entry.isFile()) total += (await lstat(child)).size
    } catch (error) {
      // A name that is no text cannot be followed further: its size is not counted.
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }
  return total
}
