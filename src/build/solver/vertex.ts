import { digestOf, type Digest } from '../../lib/digest.ts'
import type { Op } from '../../lib/op.ts'
import type { BuildStep } from '../../wire/build.ts'

/** Plain data: what defines a vertex or a cache key. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** What people see of a vertex. */
export interface VertexInfo {
  readonly id: Digest
  readonly name: string
  readonly step?: BuildStep
  /** The image that it stands for. */
  readonly image?: Digest
  /** Bookkeeping that people need not see. */
  readonly hidden?: boolean
}

/** A piece of work in a graph. Its id is the digest of what it does and of the vertices it depends on. */
export interface Vertex<R> extends VertexInfo {
  readonly inputs: readonly Vertex<R>[]
  readonly work: Work<R>
}

/** Identifies work by content. `inputs` says the same in a form that a later miss can be compared with. */
export interface CacheKey {
  readonly digest: Digest
  readonly inputs: Json
  /** A part of the inputs too large to repeat in every record: kept once under its digest, which `inputs` holds. */
  readonly manifest?: { readonly digest: Digest; readonly text: string }
}

export interface Work<R> {
  /**
   * Ways to recognise the work, given the results of its inputs: from the cheapest to compute to the one that finds
   * most; none: it always runs. Equal last keys mean equal work, also in another build.
   */
  readonly keys: readonly ((op: Op, inputs: readonly R[], io: Io) => Promise<CacheKey>)[]
  run(op: Op, inputs: readonly R[], io: Io): Promise<Outcome<R>>
}

export interface Outcome<R> {
  readonly result: R
  /** False when the result must not be found again: its inputs changed while it was made. */
  readonly cacheable: boolean
}

/** How work tells about itself. */
export interface Io {
  log(stream: 1 | 2, data: string): void
  /** A line below the vertex; call the result when that is done. */
  status(text: string): () => void
}

export function makeVertex<R>(definition: Json, o: Omit<Vertex<R>, 'id'>): Vertex<R> {
  const id = digestOf(JSON.stringify([definition, o.inputs.map((v) => v.id)]))
  return { id, ...o }
}

export function cacheKey(inputs: Json): CacheKey {
  return { digest: digestOf(JSON.stringify(inputs)), inputs }
}
