/**
 * Pushes, deletes and collections at random, at the same time. As a program (`gc-random-testing.ts DIRECTORY SEED`) it works on a
 * directory until it is killed, and prints what was acknowledged: `+ repository digest` after a push, `- …` before a deletion.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError } from '../lib/errors.ts'
import { seededRandom } from '../lib/seeded-random.ts'
import { digestOf, type Digest } from './digest.ts'
import { FilesStorage } from './files-storage.ts'
import { collect } from './gc.ts'
import { imageType, missingOf, op, pushBlob, pushIndex, putManifest, type Descriptor } from './gc-testing.ts'
import { Registry } from './registry.ts'

const repositories = ['a', 'a/b', 'team/app']
const pick = <T>(from: readonly T[], random: () => number): T | undefined =>
  from[Math.floor(random() * from.length)]

/** What the clients of a registry were told. */
export class Model {
  /** Acknowledged and not deleted: `repository digest`. */
  readonly there = new Map<string, Descriptor>()
  /** Named by an index: deleting them would be their owner's mistake. */
  readonly children = new Set<string>()
  pushes = 0
  deletions = 0
  collections = 0
  blobsRemoved = 0
  readonly #registry: Registry
  readonly #random: () => number
  readonly #said: (line: string) => void

  constructor(o: { registry: Registry; random: () => number; said?: (line: string) => void }) {
    this.#registry = o.registry
    this.#random = o.random
    this.#said = o.said ?? (() => {})
  }

  /** One client, step after step. */
  async client(until: () => boolean): Promise<void> {
    while (!until()) {
      const what = this.#random()
      if (what < 0.45) await this.#push()
      else if (what < 0.5) await this.#pushIndex()
      else if (what < 0.9) await this.#delete()
      else await this.#pull()
    }
  }

  async collector(until: () => boolean): Promise<void> {
    while (!until()) {
      const { blobsRemoved } = await collect(op, this.#registry, { uploadAgeMs: 60_000 })
      this.collections++
      this.blobsRemoved += blobsRemoved
      await sleep(1 + this.#random() * 20)
    }
  }

  async #push(): Promise<void> {
    const name = pick(repositories, this.#random) ?? ''
    const layers: Descriptor[] = []
    for (let count = 1 + Math.floor(this.#random() * 3); count > 0; count--)
      layers.push(await this.#layer(name))
    const config = await this.#layer(name)
    const document = { schemaVersion: 2, mediaType: imageType, config, layers, annotations: this.#unique() }
    if (this.#random() < 0.5) await sleep(this.#random() * this.#registry.holds.graceMs * 0.7)
    try {
      this.#acknowledge(name, await putManifest(this.#registry, name, { document, tag: this.#tag() }))
    } catch (error) {
      // A promise that has run out, on a machine that stood still: the client has to push again.
      if (!(error instanceof EngineError && error.kind === 'not-found')) throw error
    }
  }

  /** As clients do: look first, then mount, then upload. Few contents, so that pushes share them. */
  async #layer(name: string): Promise<Descriptor> {
    const data = Buffer.from(`layer ${Math.floor(this.#random() * 30)}`)
    const digest = digestOf(data)
    const { blobs } = this.#registry.repository(name)
    const mediaType = 'application/octet-stream'
    if (this.#random() < 0.7) {
      const found = await blobs.promise(op, digest).catch(() => undefined)
      if (found) return { mediaType, digest, size: found.size }
    }
    const other = pick(repositories, this.#random) ?? ''
    if (other !== name && (await blobs.mount(op, digest, this.#registry.repository(other).blobs)))
      return { mediaType, digest, size: data.length }
    return await pushBlob(this.#registry, name, data)
  }

  async #pushIndex(): Promise<void> {
    const [key, child] = pick([...this.there], this.#random) ?? []
    if (key === undefined || child === undefined || child.mediaType !== imageType) return
    this.children.add(key)
    const name = key.split(' ')[0] ?? ''
    try {
      const index = { manifests: [child], annotations: this.#unique(), tag: this.#tag() }
      this.#acknowledge(name, await pushIndex(this.#registry, name, index))
    } catch (error) {
      // Somebody was deleting the child already.
      if (!(error instanceof EngineError && error.kind === 'not-found')) throw error
    }
  }

  async #delete(): Promise<void> {
    const key = pick(
      [...this.there.keys()].filter((one) => !this.children.has(one)),
      this.#random,
    )
    if (key === undefined) return
    const [name = '', digest = ''] = key.split(' ')
    this.there.delete(key)
    this.#said(`- ${key}`)
    const { manifests } = this.#registry.repository(name)
    await manifests.remove(op, digest as Digest).catch((error: unknown) => {
      if (!(error instanceof EngineError && error.kind === 'not-found')) throw error
    })
    this.deletions++
  }

  async #pull(): Promise<void> {
    const key = pick([...this.there.keys()], this.#random)
    if (key === undefined) return
    const [name = '', digest = ''] = key.split(' ')
    const missing = await missingOf(this.#registry, name, digest as Digest)
    if (missing.length > 0 && this.there.has(key)) throw new Error(`lost of ${key}: ${missing.join(', ')}`)
  }

  #acknowledge(name: string, manifest: Descriptor): void {
    const key = `${name} ${manifest.digest}`
    this.there.set(key, manifest)
    this.pushes++
    this.#said(`+ ${key}`)
  }

  /** No two pushes are of the same manifest: one that is deleted by one client and pushed by another has no right answer. */
  #unique(): Record<string, string> {
    return { number: `${this.#random()}` }
  }

  #tag(): string | undefined {
    return this.#random() < 0.5 ? `v${Math.floor(this.#random() * 5)}` : undefined
  }
}

if (import.meta.main) {
  const [directory = '', seed = ''] = process.argv.slice(2)
  const registry = await Registry.open({
    storage: await FilesStorage.open(join(directory, 'storage')),
    spool: join(directory, 'uploads'),
    graceMs: 300,
  })
  const random = seededRandom(Number(seed))
  const model = new Model({ registry, random, said: (line) => process.stdout.write(`${line}\n`) })
  const never = () => false
  await Promise.all([...Array.from({ length: 4 }, () => model.client(never)), model.collector(never)])
}
