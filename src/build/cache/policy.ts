import type { CacheFilter } from './filter.ts'
import type { CacheItem } from './item.ts'

/** What may go, and how much of it has to. BuildKit's rules. */
export interface CachePolicy {
  /** Also what an image shares: its bytes stay, but later builds no longer find it. */
  readonly all: boolean
  readonly filter: CacheFilter
  /** Only what has not been used for so many milliseconds; 0: whenever it was. */
  readonly unusedForMs: number
  /** Bytes; each 0 when it is not set. None set: all that may go goes. */
  readonly limits: CacheLimits
}

export interface CacheLimits {
  /** So much stays in any case. */
  readonly reservedSpace: number
  /** No more than that is kept. */
  readonly maxUsedSpace: number
  /** The file system shall have so much free. */
  readonly minFreeSpace: number
}

export const noLimits: CacheLimits = { reservedSpace: 0, maxUsedSpace: 0, minFreeSpace: 0 }

/** How many bytes may stay. `nothing`: no limit is set; `everything`: none asks for anything to go. */
export function bytesToKeep(
  limits: CacheLimits,
  state: { used: number; free: number },
): number | 'everything' | 'nothing' {
  const { reservedSpace, maxUsedSpace, minFreeSpace } = limits
  if (reservedSpace === 0 && maxUsedSpace === 0 && minFreeSpace === 0) return 'nothing'
  const missing = minFreeSpace - state.free
  const caps = [
    ...(maxUsedSpace > 0 ? [maxUsedSpace] : []),
    ...(missing > 0 ? [state.used - missing] : []),
    // BuildKit: the reserve alone is a limit, too; it is what docker's --keep-storage becomes.
    ...(maxUsedSpace === 0 && minFreeSpace === 0 ? [reservedSpace] : []),
  ]
  if (caps.length === 0) return 'everything'
  return Math.max(0, reservedSpace, Math.min(...caps))
}

/**
 * What may go, in the order in which it goes: what has long not been used, and what was used seldom (BuildKit's
 * ranking); nothing before what stands on it. What is in use stays, and so does all below it.
 */
export function candidates(
  items: readonly CacheItem[],
  policy: Omit<CachePolicy, 'limits'>,
  now: number,
): CacheItem[] {
  const may = new Map<string, CacheItem>()
  const above = new Map<string, number>()
  for (const item of items) {
    for (const parent of item.parents) above.set(parent, (above.get(parent) ?? 0) + 1)
    if (
      !item.inUse &&
      (policy.all || !item.shared) &&
      (policy.unusedForMs === 0 || now - lastUseOf(item) >= policy.unusedForMs) &&
      policy.filter(item)
    )
      may.set(item.id, item)
  }
  const rank = ranks([...may.values()])
  const ready = new SortedStack<CacheItem>((item) => rank.get(item.id) ?? 0)
  for (const item of may.values()) if (!above.has(item.id)) ready.push(item)
  const result: CacheItem[] = []
  for (let item = ready.pop(); item; item = ready.pop()) {
    result.push(item)
    for (const id of item.parents) {
      const left = (above.get(id) ?? 1) - 1
      above.set(id, left)
      const parent = may.get(id)
      if (left === 0 && parent) ready.push(parent)
    }
  }
  return result
}

/** Gives the lowest first. */
class SortedStack<T> {
  readonly #items: T[] = []
  readonly #order: (item: T) => number

  constructor(order: (item: T) => number) {
    this.#order = order
  }

  push(item: T): void {
    const order = this.#order(item)
    let [low, high] = [0, this.#items.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#items[middle]
      if (other !== undefined && this.#order(other) > order) low = middle + 1
      else high = middle
    }
    this.#items.splice(low, 0, item)
  }

  pop(): T | undefined {
    return this.#items.pop()
  }
}

function ranks(items: readonly CacheItem[]): Map<string, number> {
  const rank = new Map<string, number>()
  const add = (value: (item: CacheItem) => number) => {
    const levels = [...new Set(items.map(value))].toSorted((a, b) => a - b)
    const place = new Map(levels.map((level, index) => [level, index / Math.max(1, levels.length - 1)]))
    for (const item of items) rank.set(item.id, (rank.get(item.id) ?? 0) + (place.get(value(item)) ?? 0))
  }
  add(lastUseOf)
  add((item) => item.usageCount)
  return rank
}

/** Milliseconds; what was never used counts from its making. */
export const lastUseOf = (item: CacheItem): number => Date.parse(item.lastUsedAt ?? item.createdAt)
