import { z } from 'zod'
import { digestOf, isDigest, type Digest } from '../../lib/digest.ts'
import type { Store, Table } from '../../store/index.ts'
import { contextName } from '../history/history.ts'
import type { BuildRequest } from '../request.ts'

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))
const stepSchema = z.object({
  stage: z.string(),
  kind: z.string(),
  text: z.string(),
  /** Of the cache, cheapest first; empty for a base image. */
  keys: z.array(digest),
  /** What a FROM stood for. */
  image: z.string().exactOptional(),
})
const recordSchema = z.object({ at: z.string(), steps: z.array(stepSchema) })
export type KnownStep = z.infer<typeof stepSchema>

/** Origins whose last build is remembered. */
const maxOrigins = 500

/** The steps of the last build of each context and Dockerfile, with the keys of their results. */
export class StepMemory {
  readonly #store: Store
  readonly #table: Table<z.infer<typeof recordSchema>>
  /** Oldest first. */
  readonly #origins: Set<string>

  constructor(store: Store) {
    this.#store = store
    this.#table = store.table('build_steps', (value) => recordSchema.parse(value))
    const all = this.#table.all().toSorted((a, b) => (a.record.at < b.record.at ? -1 : 1))
    this.#origins = new Set(all.map(({ key }) => key))
  }

  get(origin: string): KnownStep[] {
    return this.#table.get(origin)?.steps ?? []
  }

  put(origin: string, steps: readonly KnownStep[]): void {
    this.#store.transaction(() => {
      this.#table.put(origin, { at: new Date().toISOString(), steps: [...steps] })
      this.#origins.delete(origin)
      this.#origins.add(origin)
      for (const oldest of this.#origins) {
        if (this.#origins.size <= maxOrigins) break
        this.#table.delete(oldest)
        this.#origins.delete(oldest)
      }
    })
  }
}

/**
 * Builds with one origin are versions of one another: same context and Dockerfile. Contexts that were sent are known by the key
 * that the client has for them, else by the image's name.
 */
export function originOf(request: BuildRequest): string {
  const key = request.context.kind === 'synced' ? request.context.source.key : undefined
  const context = key === undefined ? contextName(request.context) : `key ${key}`
  const name = context === '-' ? (request.tags[0] ?? '').replace(/:[^/:]*$/, '') : ''
  return digestOf(JSON.stringify([context, request.dockerfile, name]))
}
