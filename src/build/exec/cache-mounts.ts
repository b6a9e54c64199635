import { EventEmitter, once } from 'node:events'
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { digestOf, hexOf } from '../../lib/digest.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { newId } from '../../lib/id.ts'
import { KeyedLock } from '../../lib/lock.ts'
import type { Op } from '../../lib/op.ts'
import type { CacheItem, CacheShelf } from '../cache/item.ts'
import type { Sharing } from '../dockerfile/mounts.ts'
import type { Json } from '../solver/vertex.ts'

/** What is known of a cache besides its content, in a file beside it. */
const factsSchema = z.object({
  /** As the Dockerfile calls it. */
  id: z.string(),
  createdAt: z.string(),
  lastUsedAt: z.string(),
  usageCount: z.number(),
})
type Facts = z.infer<typeof factsSchema>

interface Instance {
  readonly name: string
  facts: Facts
  /** Bytes of its files, until somebody has used it again: counting them is a walk. */
  size?: Promise<number> | undefined
  users: number
  /** How those who use it now do so. */
  sharing: Sharing
}

interface Wanted {
  readonly key: string
  /** As the Dockerfile calls it. */
  readonly id: string
  readonly sharing: Sharing
  /** Gives a new one its first content. */
  fill(path: string): Promise<void>
}

/** One as people see it. */
export interface CacheMountItem extends CacheItem {
  readonly mountId: string
}

export interface CacheMount extends Disposable {
  readonly path: string
}

/**
 * Directories of `RUN --mount=type=cache`, below `<root>/<key>-<id>`: they outlive steps, builds and the daemon. A key has several
 * when steps that do not share ran at the same time; the next ones take up what is free.
 */
export class CacheMounts implements CacheShelf {
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
      else {
        // Cut off while its content was replaced: it is empty then.
        await mkdir(join(root, name, 'data'), { recursive: true, mode: 0o755 })
        mounts.#of(key).push({ name, users: 0, sharing: 'shared', facts: await readFacts(join(root, name)) })
      }
    }
    return mounts
  }

  static keyOf(identity: Json): string {
    return hexOf(digestOf(JSON.stringify(identity)))
  }

  /** Lends a directory. A locked one that is in use is waited for. */
  async acquire(op: Op, o: Wanted): Promise<CacheMount> {
    for (;;) {
      const found = await this.#take(op, o)
      if (found) return found
      await once(this.#released, o.key, { signal: op.signal })
    }
  }

  items(): Promise<CacheItem[]> {
    return Promise.all([...this.#instances.values()].flat().map((each) => this.#item(each)))
  }

  list(): Promise<CacheMountItem[]> {
    const all = [...this.#instances.values()].flat()
    return Promise.all(all.map(async (each) => ({ ...(await this.#item(each)), mountId: each.facts.id })))
  }

  /** By the id that Dockerfiles use, or by the name that lists show. Throws kind `conflict` when several have the id. */
  findOne(id: string): { name: string; id: string } | undefined {
    const all = [...this.#instances.values()].flat()
    const found =
      all.find((instance) => shortName(instance) === id) ?? all.filter((instance) => instance.facts.id === id)
    if (!Array.isArray(found)) return { name: shortName(found), id: found.facts.id }
    const [first, ...more] = found
    if (more.length > 0)
      throw new EngineError(
        'conflict',
        `${found.length} caches have the id ${JSON.stringify(id)}: name one of ${found.map(shortName).join(', ')}`,
      )
    return first && { name: shortName(first), id: first.facts.id }
  }

  /** One cache for oneself alone, when all who use it have gone. Throws kind `not-found`. */
  async acquireNamed(op: Op, name: string): Promise<CacheMount> {
    for (;;) {
      const [key, instance] = this.#byName(name)
      if (key === undefined || !instance) throw new EngineError('not-found', `no such build cache: ${name}`)
      if (instance.users === 0) return this.#lend(key, instance, 'private')
      await once(this.#released, key, { signal: op.signal })
    }
  }

  /**
   * Gives a cache the content that `fill` makes, in place of what it had. Where none of that id is, it waits for the first
   * step that wants the id, whatever else that step asks of it. Failed or cancelled, nothing has changed.
   */
  async import(op: Op, o: { id: string; fill(path: string): Promise<void> }): Promise<void> {
    const old = this.findOne(o.id)
    if (!old) {
      const key = importedKey(o.id)
      this.#of(key).push(await this.#make({ ...o, key }))
      return
    }
    using mount = await this.acquireNamed(op, old.name)
    const temporary = join(this.#root, `new-${newId().slice(0, 12)}`)
    try {
      await mkdir(join(temporary, 'data'), { recursive: true, mode: 0o755 })
      await o.fill(join(temporary, 'data'))
      op.signal.throwIfAborted()
      await rename(mount.path, join(temporary, 'old'))
      await rename(join(temporary, 'data'), mount.path)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  }

  async remove(_op: Op, name: string): Promise<number | undefined> {
    const [key] = this.#byName(name)
    if (key === undefined) return undefined
    using _lock = await this.#lock.acquire(key)
    const [, instance] = this.#byName(name)
    if (!instance || instance.users > 0) return undefined
    const gone = join(this.#root, `gone-${newId().slice(0, 12)}`)
    await rename(join(this.#root, instance.name), gone)
    const instances = this.#of(key)
    instances.splice(instances.indexOf(instance), 1)
    const bytes = await sizeOf(join(gone, 'data'))
    await rm(gone, { recursive: true, force: true })
    return bytes
  }

  async #item(instance: Instance): Promise<CacheItem> {
    const { id, createdAt, lastUsedAt, usageCount } = instance.facts
    return {
      id: shortName(instance),
      type: 'exec.cachemount',
      description: `cache mount ${id}`,
      parents: [],
      inUse: instance.users > 0,
      shared: false,
      mutable: true,
      bytes: await this.#size(instance),
      createdAt,
      lastUsedAt,
      usageCount,
    }
  }

  /** Steps may write while it is counted, and the cache may go. */
  async #size(instance: Instance): Promise<number> {
    instance.size ??= sizeOf(join(this.#root, instance.name, 'data'))
    try {
      return await instance.size
    } catch (error) {
      instance.size = undefined
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return 0
      throw error
    }
  }

  async #take(op: Op, o: Wanted): Promise<CacheMount | undefined> {
    using _lock = await this.#lock.acquire(o.key, op.signal)
    const instances = this.#of(o.key)
    const shared = o.sharing === 'shared' && instances.find((i) => i.users > 0 && i.sharing === 'shared')
    let found = shared || instances.find((instance) => instance.users === 0)
    if (!found && o.sharing === 'locked' && instances.length > 0) return undefined
    if (!found) instances.push((found = (await this.#takeImported(o)) ?? (await this.#make(o))))
    const { facts } = found
    found.facts = { ...facts, lastUsedAt: new Date().toISOString(), usageCount: facts.usageCount + 1 }
    // Not worth a wait for the disk: a damaged one is as good as none.
    await writeFile(join(this.#root, found.name, factsFile), JSON.stringify(found.facts))
    return this.#lend(o.key, found, o.sharing)
  }

  #lend(key: string, instance: Instance, sharing: Sharing): CacheMount {
    instance.users++
    instance.sharing = sharing
    let released = false
    return {
      path: join(this.#root, instance.name, 'data'),
      [Symbol.dispose]: () => {
        if (released) return
        released = true
        instance.users--
        instance.size = undefined
        this.#released.emit(key)
      },
    }
  }

  /** One that was imported under the id is the caller's from now on. */
  async #takeImported(o: Wanted): Promise<Instance | undefined> {
    const waiting = this.#of(importedKey(o.id))
    const index = waiting.findIndex((instance) => instance.users === 0)
    const [found] = index < 0 ? [] : waiting.splice(index, 1)
    if (!found) return undefined
    const name = `${o.key}-${found.name.slice(-12)}`
    try {
      await rename(join(this.#root, found.name), join(this.#root, name))
    } catch (error) {
      waiting.push(found)
      throw error
    }
    return { ...found, name, size: undefined }
  }

  async #make(o: Omit<Wanted, 'sharing'>): Promise<Instance> {
    const number = newId().slice(0, 12)
    const temporary = join(this.#root, `new-${number}`)
    const name = `${o.key}-${number}`
    const now = new Date().toISOString()
    const facts: Facts = { id: o.id, createdAt: now, lastUsedAt: now, usageCount: 0 }
    try {
      await mkdir(join(temporary, 'data'), { recursive: true, mode: 0o755 })
      await writeFile(join(temporary, factsFile), JSON.stringify(facts))
      await o.fill(join(temporary, 'data'))
      await rename(temporary, join(this.#root, name))
    } catch (error) {
      await rm(temporary, { recursive: true, force: true })
      throw error
    }
    return { name, facts, users: 0, sharing: 'shared' }
  }

  #byName(name: string): [key: string, Instance] | [undefined, undefined] {
    for (const [key, instances] of this.#instances) {
      const found = instances.find((instance) => shortName(instance) === name)
      if (found) return [key, found]
    }
    return [undefined, undefined]
  }

  #of(key: string): Instance[] {
    const known = this.#instances.get(key) ?? []
    this.#instances.set(key, known)
    return known
  }
}

/** Of a cache that no step has asked for yet. */
const importedKey = (id: string): string => CacheMounts.keyOf(['imported', id])

const factsFile = 'facts.json'

/** As long as the other ids of the build cache, and theirs alone by the random part at the end. */
const shortName = ({ name }: Instance): string => name.slice(0, 12) + name.slice(-12)

/** Caches of earlier versions have no such file. */
async function readFacts(path: string): Promise<Facts> {
  try {
    const parsed = factsSchema.safeParse(JSON.parse(await readFile(join(path, factsFile), 'utf8')))
    if (parsed.success) return parsed.data
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !(error instanceof SyntaxError)) throw error
  }
  const at = (await lstat(path)).mtime.toISOString()
  return { id: 'unknown', createdAt: at, lastUsedAt: at, usageCount: 0 }
}

/** Bytes of the regular files below a directory. What goes meanwhile is not counted. */
async function sizeOf(path: string): Promise<number> {
  let total = 0
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    const child = Buffer.concat([Buffer.from(`${path}/`), entry.name])
    try {
      if (entry.isDirectory()) total += await sizeOf(child.toString())
      else if (entry.isFile()) total += (await lstat(child)).size
    } catch (error) {
      // A name that is no text cannot be followed further: its size is not counted.
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
    }
  }
  return total
}
