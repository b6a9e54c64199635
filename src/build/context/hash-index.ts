import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'

/**
 * Content hashes of files by what the kernel says of them: device, inode, size, mtime and ctime in nanoseconds. A file
 * changed within the clock's granularity could change again unseen: such are not remembered. Synchronous, for a worker.
 */
export class HashIndex {
  readonly #file: string | undefined
  readonly #known: Map<string, readonly [stamp: string, digest: string]>
  #started = nowNs()
  #changed = false

  /** Without a file nothing is kept. */
  constructor(file?: string) {
    this.#file = file
    this.#known = file === undefined ? new Map() : load(file)
  }

  /** Before each walk: what is younger than that is not trusted. */
  begin(): void {
    this.#started = nowNs()
  }

  get(path: string, stat: BigIntStats): string | undefined {
    const entry = this.#known.get(path)
    return entry?.[0] === stampOf(stat) ? entry[1] : undefined
  }

  put(path: string, stat: BigIntStats, digest: string): void {
    if (this.#file === undefined) return
    const newest = stat.mtimeNs > stat.ctimeNs ? stat.mtimeNs : stat.ctimeNs
    if (newest + granularityNs > this.#started) return
    this.#known.set(path, [stampOf(stat), digest])
    this.#changed = true
  }

  /** Writes the index if it changed. `seen`: what the last walk saw; far more than that is forgotten. */
  save(seen: () => ReadonlySet<string>): void {
    if (this.#file === undefined || !this.#changed) return
    const paths = seen()
    if (this.#known.size > 2 * paths.size + 10_000)
      for (const path of this.#known.keys()) if (!paths.has(path)) this.#known.delete(path)
    const temporary = `${this.#file}.tmp`
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
    writeFileSync(temporary, JSON.stringify([...this.#known]), { mode: 0o600 })
    renameSync(temporary, this.#file)
    this.#changed = false
  }
}

/** The kernel stamps files with the time of its last tick: 10 ms at the coarsest, doubled and more for safety. */
const granularityNs = 50_000_000n

function nowNs(): bigint {
  return BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1e6))
}

function stampOf(s: BigIntStats): string {
  return `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`
}

const schema = z.array(z.tuple([z.string(), z.tuple([z.string(), z.string().regex(/^[0-9a-f]{64}$/)])]))

/** A missing or damaged index costs time, nothing else. */
function load(file: string): Map<string, readonly [string, string]> {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, 'utf8')))
    return new Map(parsed.success ? parsed.data : [])
  } catch {
    return new Map()
  }
}
