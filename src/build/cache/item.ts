import type { Op } from '../../lib/op.ts'

/**
 * BuildKit's names. `regular`: a layer that a step made; `source.local`: hashes of a directory's files; `internal`: what
 * a failed step left.
 */
export type CacheType =
  | 'regular'
  | 'source.local'
  | 'source.git.checkout'
  | 'source.http'
  | 'exec.cachemount'
  | 'internal'

/** One thing that is kept so that a later build is faster. */
export interface CacheItem {
  readonly id: string
  readonly type: CacheType
  readonly description: string
  /** Ids of the items that this one stands on: they stay as long as it does. */
  readonly parents: readonly string[]
  /** A build works with it now. */
  readonly inUse: boolean
  /** An image has its bytes too: removing it frees none. */
  readonly shared: boolean
  /** Later builds change it. */
  readonly mutable: boolean
  readonly bytes: number
  /** ISO. */
  readonly createdAt: string
  readonly lastUsedAt?: string
  readonly usageCount: number
}

/** A kind of things that are kept. */
export interface CacheShelf {
  items(op: Op): Promise<CacheItem[]>
  /** The bytes that come free; undefined when there is no such item, or it is in use. */
  remove(op: Op, id: string): Promise<number | undefined>
}
