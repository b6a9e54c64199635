import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { usageOf, type CgroupUsage } from '../host/cgroup-usage.ts'
import { netUsageOf, type NetUsage } from '../host/net-usage.ts'
import { isAbort } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { Container } from './container.ts'
import { cgroupOf, type Host } from './host.ts'
import { isLive } from './state.ts'

/** How often a stream tells. Milliseconds. */
const interval = 1000

/** What a container uses at one moment. Nothing but `readAt` while it does not run. */
export interface Sample {
  readonly readAt: Date
  readonly usage?: CgroupUsage
  readonly networks?: NetUsage
  /** Of the machine. */
  readonly system: { readonly cpuNanoseconds: number; readonly cpus: number; readonly memory: number }
}

/** A sample with the one before it, where there is one: what the CPU did is the difference. */
export interface Stats {
  readonly now: Sample
  readonly before: Sample | undefined
}

export function sampleOf(host: Host, c: Container): Sample {
  const { state } = c
  const usage = isLive(state) ? usageOf(cgroupOf(host, c)) : undefined
  const networks = isLive(state) && c.networkMode !== 'host' ? netUsageOf(state.pid) : undefined
  return {
    readAt: new Date(),
    ...(usage && { usage }),
    ...(usage && networks && { networks }),
    system: machine(),
  }
}

/**
 * A sample each second, as long as the container is there, whether or not it runs. Docker: the first has none before it; with
 * `once` there is a single answer, and it has one, but for a container that does not run.
 */
export async function* stats(op: Op, host: Host, c: Container, o: { once: boolean }): AsyncGenerator<Stats> {
  let before: Sample | undefined
  const gone = new AbortController()
  using _removal = c.removals.listen(() => gone.abort())
  const signal = AbortSignal.any([op.signal, gone.signal])
  for (;;) {
    const now = sampleOf(host, c)
    if (!o.once || before !== undefined || !now.usage) yield { now, before }
    if (o.once && (before !== undefined || !now.usage)) return
    before = now
    try {
      await delay(interval, undefined, { signal })
    } catch (error) {
      if (gone.signal.aborted && isAbort(error)) return
      throw error
    }
  }
}

/** All CPUs' time since boot, and what there is. */
function machine(): Sample['system'] {
  const text = readFileSync('/proc/stat', 'utf8')
  const ticks = (/^cpu +(.*)$/m.exec(text)?.[1] ?? '').split(' ').map(Number)
  // Guests' time is in user's and nice's already.
  const total = ticks.slice(0, 8).reduce((sum, value) => sum + value, 0)
  return {
    cpuNanoseconds: total * 1e7,
    cpus: text.match(/^cpu\d+ /gm)?.length ?? 1,
    memory: totalmem(),
  }
}
