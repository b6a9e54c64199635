import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  collect,
  evict,
  retain,
  type Collected,
  type Evicted,
  type Registry,
  type Retained,
  type RetentionPolicy,
} from '../distribution/index.ts'
import { isAbort } from '../lib/errors.ts'
import type { Metrics } from '../lib/metrics.ts'
import type { Op } from '../lib/op.ts'
import type { ReloadedFile } from '../lib/reloaded-file.ts'

export interface MaintenanceOptions {
  readonly registry: Registry
  readonly metrics: Metrics
  /** Milliseconds between two rounds; 0: only those that somebody asks for. */
  readonly interval: number
  /** Of uploads that nobody goes on with. Milliseconds. */
  readonly uploadAge: number
  readonly retention: ReloadedFile<RetentionPolicy> | undefined
  /** Nothing is removed; the log says what would be. */
  readonly dryRun: boolean
}

/**
 * What a registry does by itself, round after round: rules remove tags and manifests, copies
 * of upstreams go by their last use, then garbage is collected. A round that fails is logged, and the next one comes.
 */
export class Maintenance {
  readonly #o: MaintenanceOptions
  readonly #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()
  #wanted = new AbortController()
  readonly #totals = {
    rounds: 0,
    failures: 0,
    blobs: 0,
    bytes: 0,
    uploads: 0,
    tags: 0,
    manifests: 0,
    copies: 0,
    copiesBytes: 0,
    evicted: 0,
    last: 0,
    seconds: 0,
  }

  constructor(o: MaintenanceOptions) {
    this.#o = o
    const totals = this.#totals
    const { metrics } = o
    const counter = (name: string, help: string, of: keyof typeof totals) =>
      metrics.counterOf(`gantry_registry_gc_${name}_total`, help, () => totals[of])
    counter('rounds', 'Garbage collections that were completed.', 'rounds')
    counter('failures', 'Garbage collections that failed.', 'failures')
    counter('removed_blobs', 'Blobs that nothing referred to.', 'blobs')
    counter('freed_bytes', 'Bytes of removed blobs and abandoned uploads.', 'bytes')
    counter('removed_uploads', 'Abandoned uploads.', 'uploads')
    counter('retention_removed_tags', 'Tags that the rules removed.', 'tags')
    counter('retention_removed_manifests', 'Manifests that the rules removed.', 'manifests')
    counter('removed_copies', 'Copies of upstreams that went by their last use.', 'evicted')
    metrics.gauge('gantry_registry_copies', 'Copies of upstreams, blobs and manifests.', () => totals.copies)
    metrics.gauge('gantry_registry_copies_bytes', 'Their size.', () => totals.copiesBytes)
    metrics.gauge('gantry_registry_gc_last_success_time_seconds', 'End of the last one.', () => totals.last)
    metrics.gauge('gantry_registry_gc_last_duration_seconds', 'How long it took.', () => totals.seconds)
  }

  start(op: Op): void {
    this.#loop = this.#run({ log: op.log, signal: this.#stop.signal })
  }

  /** A round at once, or after the one that is under way; the log says what it found, also when that is nothing. */
  collectNow(): void {
    this.#wanted.abort()
  }

  /** Ends a round under way at its next step. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #run(op: Op): Promise<void> {
    while (!op.signal.aborted) {
      try {
        await this.#round(op, { asked: await this.#next(op) })
      } catch (error) {
        if (isAbort(error)) return
        this.#totals.failures++
        op.log.error('garbage collection failed', { error })
      }
    }
  }

  /** Resolves when a round is due: true when somebody asked for it. */
  async #next(op: Op): Promise<boolean> {
    const { interval } = this.#o
    const wanted = this.#wanted.signal
    const signal = AbortSignal.any([op.signal, wanted])
    if (!signal.aborted)
      try {
        await (interval === 0 ? once(signal, 'abort') : sleep(interval, undefined, { signal }))
      } catch (error) {
        if (!isAbort(error)) throw error
      }
    op.signal.throwIfAborted()
    if (!wanted.aborted) return false
    this.#wanted = new AbortController()
    return true
  }

  async #round(op: Op, o: { asked: boolean }): Promise<void> {
    const { registry, retention, dryRun, uploadAge } = this.#o
    if (retention) this.#countRetained(op, await this.#retain(op, await retention.current(op)))
    const evicted = await evict(op, registry, { dryRun })
    if (evicted) this.#countEvicted(op, evicted)
    this.#countCollected(op, await collect(op, registry, { uploadAgeMs: uploadAge, dryRun }), o)
  }

  #retain(op: Op, policy: RetentionPolicy): Promise<Retained> {
    const { registry, dryRun } = this.#o
    // What is kept is of interest only to somebody who tries rules out.
    return retain(op, registry, {
      policy,
      dryRun,
      explain: (one) =>
        op.log[one.keep ? 'debug' : 'info'](dryRun ? 'retention, dry run' : 'retention', { ...one }),
    })
  }

  #countRetained(op: Op, found: Retained): void {
    op.log.debug('retention applied', { ...found })
    if (found.dryRun) return
    this.#totals.tags += found.tagsRemoved
    this.#totals.manifests += found.manifestsRemoved
  }

  #countEvicted(op: Op, found: Evicted): void {
    const { dryRun } = this.#o
    op.log[found.copiesRemoved > 0 ? 'info' : 'debug'](
      dryRun ? 'copies counted, dry run' : 'copies counted',
      {
        ...found,
      },
    )
    const totals = this.#totals
    totals.copies = found.copies - (dryRun ? 0 : found.copiesRemoved)
    totals.copiesBytes = found.bytes - (dryRun ? 0 : found.bytesRemoved)
    if (!dryRun) totals.evicted += found.copiesRemoved
  }

  #countCollected(op: Op, found: Collected, o: { asked: boolean }): void {
    const isNews = o.asked || found.blobsRemoved + found.linksRemoved + found.uploadsRemoved > 0
    op.log[isNews ? 'info' : 'debug'](found.dryRun ? 'garbage found, dry run' : 'garbage collected', {
      ...found,
    })
    const totals = this.#totals
    totals.rounds++
    totals.last = Date.now() / 1000
    totals.seconds = found.milliseconds / 1000
    if (found.dryRun) return
    totals.blobs += found.blobsRemoved
    totals.uploads += found.uploadsRemoved
    totals.bytes += found.bytesRemoved + found.uploadBytesRemoved
  }
}
