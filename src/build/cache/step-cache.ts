import { z } from 'zod'
import { digestSchema } from '../../lib/digest-schema.ts'
import { digestOf, hexOf, type Digest } from '../../lib/digest.ts'
import type { Op } from '../../lib/op.ts'
import type { Store, Table } from '../../store/index.ts'
import type { Tree } from '../graph/tree.ts'
import type { Cache } from '../solver/solver.ts'
import type { CacheKey, Json, VertexInfo } from '../solver/vertex.ts'
import type { CacheItem, CacheShelf, CacheType } from './item.ts'

/** All that JSON.parse gives is of this type: looking at each part of thousands of records would only slow the start. */
const json = z.custom<Json>((value) => value !== undefined)
const recordSchema = z.object({
  /** What the step stood on, and what it gave on top. */
  base: z.array(digestSchema),
  layer: digestSchema,
  createdAt: z.string(),
  /** The step as people saw it. */
  name: z.string(),
  /** Everything the key was made of: what a later miss is compared with. */
  inputs: json,
  manifest: digestSchema.optional(),
})
type CacheRecord = z.infer<typeof recordSchema>

const useSchema = z.object({ lastUsedAt: z.string(), count: z.number() })
type Use = z.infer<typeof useSchema>

/** A stack of layers, and the records whose result it is. Without keys: what such results stand on. */
interface Node {
  readonly id: string
  readonly layers: readonly Digest[]
  readonly keys: Set<string>
  /** How many stacks have one layer more. */
  above: number
  name: string
  createdAt: string
}

/** What an earlier COPY made, and of what. */
export interface EarlierCopy {
  readonly layer: Digest
  readonly manifest: string
}

export interface StepCacheOptions {
  readonly store: Store
  /** Bytes of a layer; undefined when there is none. */
  sizeOf(layer: Digest): number | undefined
  /** Layers that images have. */
  inImages(): ReadonlySet<Digest>
  /** A build works with the layer now. */
  inUse(layer: Digest): boolean
}

/**
 * Results of steps by content key, in the metadata store. A record counts only while all its layers exist. Manifests
 * of copied files stand beside it, shared by digest. Seen from outside (`items`) it holds stacks of layers: each is one
 * item, named by a digest of the stack, and stands on the stack without its last layer.
 */
export class StepCache implements Cache<Tree>, CacheShelf {
  readonly #o: StepCacheOptions
  readonly #records: Table<CacheRecord>
  readonly #manifests: Table<string>
  readonly #uses: Table<Use>
  readonly #nodes = new Map<string, Node>()
  /** How many nodes have the layer at their end. */
  readonly #held = new Map<Digest, number>()
  /** How many records name the manifest. */
  readonly #manifestUsers = new Map<Digest, number>()
  /** The newest record of each kind of COPY, by what makes the kind. */
  readonly #copies = new Map<string, string>()
  /** Uses since the last `save`. */
  readonly #used = new Map<string, Use>()

  constructor(o: StepCacheOptions) {
    this.#o = o
    this.#records = o.store.table('build_cache', (value) => recordSchema.parse(value))
    this.#manifests = o.store.table('file_hashes', (value) => z.string().parse(value))
    this.#uses = o.store.table('build_cache_uses', (value) => useSchema.parse(value))
    const oldestFirst = this.#records
      .all()
      .toSorted((a, b) => (a.record.createdAt < b.record.createdAt ? -1 : 1))
    for (const { key, record } of oldestFirst)
      if (this.#isWhole(record)) this.#add(key, record)
      else this.#records.delete(key)
  }

  get(key: CacheKey): Tree | undefined {
    const record = this.#records.get(key.digest)
    if (!record) return undefined
    if (!this.#isWhole(record)) {
      this.#o.store.transaction(() => this.#release(key.digest, record))
      return undefined
    }
    const layers = [...record.base, record.layer]
    this.#note(stackId(layers))
    return { layers, createdAt: record.createdAt }
  }

  put(keys: readonly CacheKey[], result: Tree, vertex: VertexInfo): void {
    const layer = result.layers.at(-1)
    if (layer === undefined) return
    this.#o.store.transaction(() => {
      for (const key of keys) {
        const old = this.#records.get(key.digest)
        const record: CacheRecord = {
          base: result.layers.slice(0, -1),
          layer,
          createdAt: result.createdAt,
          name: vertex.name,
          inputs: key.inputs,
          ...(key.manifest && { manifest: key.manifest.digest }),
        }
        this.#records.put(key.digest, record)
        if (key.manifest) this.#manifests.put(key.manifest.digest, key.manifest.text)
        this.#add(key.digest, record)
        // After the new one: what both stand on, and its uses, stay.
        if (old) this.#release(key.digest, old, { replaced: true })
      }
    })
    this.#note(stackId(result.layers))
  }

  /** What a result was made of, for telling why another one is needed. No use of it. */
  look(key: Digest): Pick<CacheRecord, 'name' | 'inputs' | 'manifest'> | undefined {
    return this.#records.get(key)
  }

  manifest(of: Digest): string | undefined {
    return this.#manifests.get(of)
  }

  /** Results of steps with these words, wherever they stood. */
  *like(text: string): Generator<Pick<CacheRecord, 'name' | 'inputs' | 'manifest'>> {
    for (const node of this.#nodes.values()) {
      if (node.name.replace(/^\[[^\]]*\] /, '') !== text) continue
      for (const key of node.keys) {
        const record = this.#records.get(key)
        if (record) yield record
      }
    }
  }

  /** The newest layer of a COPY that is defined as this one, but for its base and its files. */
  earlierCopy(definition: Json): EarlierCopy | undefined {
    const record = this.#records.get(this.#copies.get(shapeOf(definition)) ?? '')
    const manifest = record?.manifest && this.#manifests.get(record.manifest)
    if (!record || manifest === undefined || this.#o.sizeOf(record.layer) === undefined) return undefined
    return { layer: record.layer, manifest }
  }

  /** Layers that have to stay for the cache to work. */
  layers(): Set<Digest> {
    return new Set(this.#held.keys())
  }

  /** Writes down what was used since the last time: once a build, not once a step. */
  save(): void {
    if (this.#used.size === 0) return
    this.#o.store.transaction(() => {
      for (const [id, use] of this.#used) if (this.#nodes.has(id)) this.#uses.put(id, use)
    })
    this.#used.clear()
  }

  items(): Promise<CacheItem[]> {
    this.save()
    const uses = new Map(this.#uses.all().map(({ key, record }) => [key, record]))
    const images = this.#o.inImages()
    const counted = new Set<Digest>()
    const nodes = [...this.#nodes.values()].toSorted((a, b) => a.layers.length - b.layers.length)
    const items = nodes.map((node): CacheItem => {
      const layer = node.layers.at(-1)
      // A layer that ends several stacks takes its room once.
      const first = layer !== undefined && !counted.has(layer)
      if (first) counted.add(layer)
      const use = uses.get(node.id)
      return {
        id: node.id,
        type: this.#typeOf(node),
        description: node.name,
        parents: node.layers.length > 1 ? [stackId(node.layers.slice(0, -1))] : [],
        inUse: layer !== undefined && this.#o.inUse(layer),
        shared: node.layers.every((each) => images.has(each)),
        mutable: false,
        bytes: first ? (this.#o.sizeOf(layer) ?? 0) : 0,
        createdAt: node.createdAt,
        ...(use && { lastUsedAt: use.lastUsedAt }),
        usageCount: use?.count ?? 0,
      }
    })
    return Promise.resolve(items)
  }

  /** What came from elsewhere stands on nothing. */
  #typeOf({ layers, keys }: Node): CacheType {
    const [key] = layers.length === 1 ? keys : []
    const inputs = key === undefined ? undefined : this.#records.get(key)?.inputs
    const op = typeof inputs === 'object' && inputs !== null && 'op' in inputs ? inputs['op'] : undefined
    return op === 'git' ? 'source.git.checkout' : op === 'http' ? 'source.http' : 'regular'
  }

  /** Forgets the results that this stack is; what they stand on goes with the last of them. */
  remove(_op: Op, id: string): Promise<number | undefined> {
    const node = this.#nodes.get(id)
    const layer = node?.layers.at(-1)
    if (!node || (layer !== undefined && this.#o.inUse(layer))) return Promise.resolve(undefined)
    const gone: Digest[] = []
    this.#o.store.transaction(() => {
      for (const key of node.keys) {
        const record = this.#records.get(key)
        if (record) gone.push(...this.#release(key, record))
      }
    })
    const images = gone.length > 0 ? this.#o.inImages() : new Set()
    const freed = gone.filter((each) => !images.has(each)).map((each) => this.#o.sizeOf(each) ?? 0)
    return Promise.resolve(freed.reduce((sum, bytes) => sum + bytes, 0))
  }

  #isWhole(record: CacheRecord): boolean {
    const exists = (layer: Digest) => this.#o.sizeOf(layer) !== undefined
    return exists(record.layer) && record.base.every(exists)
  }

  #add(key: string, record: CacheRecord): void {
    const { manifest } = record
    if (manifest) this.#manifestUsers.set(manifest, (this.#manifestUsers.get(manifest) ?? 0) + 1)
    if (manifest && isCopy(record.inputs)) this.#copies.set(shapeOf(record.inputs), key)
    const node = this.#node([...record.base, record.layer], record)
    node.keys.add(key)
    node.name = record.name
    node.createdAt = record.createdAt
  }

  /** The node of a stack; made with all below it where it is not there yet. */
  #node(layers: readonly Digest[], record: CacheRecord): Node {
    const id = stackId(layers)
    const known = this.#nodes.get(id)
    if (known) return known
    const node: Node = {
      id,
      layers,
      keys: new Set(),
      above: 0,
      name: 'layer of a base image',
      createdAt: record.createdAt,
    }
    this.#nodes.set(id, node)
    const layer = layers.at(-1)
    if (layer !== undefined) this.#held.set(layer, (this.#held.get(layer) ?? 0) + 1)
    if (layers.length > 1) this.#node(layers.slice(0, -1), record).above++
    return node
  }

  /** Layers that no record holds then. `replaced`: another record has the key now. */
  #release(key: string, record: CacheRecord, o: { replaced?: boolean } = {}): Digest[] {
    if (!o.replaced) this.#records.delete(key)
    const { manifest } = record
    if (manifest) {
      const users = (this.#manifestUsers.get(manifest) ?? 1) - 1
      if (users > 0) this.#manifestUsers.set(manifest, users)
      else {
        this.#manifestUsers.delete(manifest)
        this.#manifests.delete(manifest)
      }
    }
    if (!o.replaced && isCopy(record.inputs)) {
      const shape = shapeOf(record.inputs)
      if (this.#copies.get(shape) === key) this.#copies.delete(shape)
    }
    const node = this.#nodes.get(stackId([...record.base, record.layer]))
    if (!node) return []
    const current = o.replaced ? this.#records.get(key) : undefined
    if (!current || stackId([...current.base, current.layer]) !== node.id) node.keys.delete(key)
    return this.#dropUnused(node)
  }

  #dropUnused(node: Node | undefined): Digest[] {
    if (!node || node.keys.size > 0 || node.above > 0) return []
    this.#nodes.delete(node.id)
    this.#uses.delete(node.id)
    this.#used.delete(node.id)
    const gone: Digest[] = []
    const layer = node.layers.at(-1)
    if (layer !== undefined) {
      const count = (this.#held.get(layer) ?? 1) - 1
      if (count > 0) this.#held.set(layer, count)
      else {
        this.#held.delete(layer)
        gone.push(layer)
      }
    }
    const below = this.#nodes.get(stackId(node.layers.slice(0, -1)))
    if (below) below.above--
    return [...gone, ...this.#dropUnused(below)]
  }

  #note(id: string): void {
    const before = this.#used.get(id) ?? this.#uses.get(id)
    this.#used.set(id, { lastUsedAt: new Date().toISOString(), count: (before?.count ?? 0) + 1 })
  }
}

const isRecord = (value: Json): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isCopy = (inputs: Json): boolean => isRecord(inputs) && inputs['op'] === 'copy'
/** Names the kind of COPY, in whatever order its parts are. */
function shapeOf(inputs: Json): string {
  if (!isRecord(inputs)) return ''
  const { base: _base, files: _files, ...kind } = inputs
  return digestOf(JSON.stringify(Object.entries(kind).toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

/** As long as BuildKit's ids. */
const stackId = (layers: readonly Digest[]): string => hexOf(digestOf(layers.join(' '))).slice(0, 25)
