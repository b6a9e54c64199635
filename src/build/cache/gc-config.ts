import { statfsSync } from 'node:fs'
import { parseDuration } from '../../lib/units.ts'
import { EngineError } from '../../lib/errors.ts'
import { cacheFilterOf } from './filter.ts'
import { noLimits, type CacheLimits, type CachePolicy } from './policy.ts'

/** `builder.gc` of daemon.json, sizes in bytes. */
export interface GcConfig {
  readonly enabled: boolean
  /** Of the policies that come with us; each 0 when it is not set. */
  readonly limits: CacheLimits
  /** In place of ours; empty: ours. */
  readonly policies: readonly GcPolicyConfig[]
}

export interface GcPolicyConfig {
  readonly all: boolean
  /** Docker's form: `unused-for=168h`, `type=regular`. */
  readonly filters: readonly string[]
  readonly limits: CacheLimits
}

const day = 24 * 3600_000
const reproducible = ['source.local', 'exec.cachemount', 'source.git.checkout', 'source.http']

/** The policies of a configuration. Throws kind `invalid` for a filter that means nothing. */
export function gcPolicies(config: GcConfig, root: string): CachePolicy[] {
  if (!config.enabled) return []
  if (config.policies.length > 0)
    return config.policies.map(({ all, filters, limits }) => ({ all, limits, ...gcFilter(filters) }))
  const set = Object.values(config.limits).some((bytes) => bytes > 0)
  const limits = set ? config.limits : shareOfDisk(root)
  const anything = cacheFilterOf({})
  return [
    // What is made again most easily, when there is much of it and nobody has used it for two days.
    {
      all: false,
      filter: cacheFilterOf({ type: reproducible }),
      unusedForMs: 2 * day,
      limits: { ...noLimits, maxUsedSpace: 512e6 },
    },
    { all: false, filter: anything, unusedForMs: 60 * day, limits },
    { all: false, filter: anything, unusedForMs: 0, limits },
    { all: true, filter: anything, unusedForMs: 0, limits },
  ]
}

/** `key=value`, several of one key being alternatives; `unused-for` and `until` are ages. */
export function gcFilter(texts: readonly string[]): Pick<CachePolicy, 'filter' | 'unusedForMs'> {
  const values: Record<string, string[]> = {}
  let unusedForMs = 0
  for (const text of texts) {
    const [, key = '', value = ''] = /^([^=]+?)=+(.*)$/s.exec(text) ?? ['', text, '']
    if (key === 'unused-for' || key === 'until') {
      unusedForMs = parseDuration(value) / 1e6
      if (unusedForMs < 0)
        throw new EngineError('invalid', `invalid filter ${JSON.stringify(text)}: negative`)
    } else values[key] = [...(values[key] ?? []), value]
  }
  return { filter: cacheFilterOf(values), unusedForMs }
}

/** BuildKit's: a tenth of the disk is the cache's own, more than six tenths it never takes, and it leaves a fifth free. */
function shareOfDisk(root: string): CacheLimits {
  const { blocks, bsize } = statfsSync(root)
  const size = blocks * bsize
  return { reservedSpace: size * 0.1, maxUsedSpace: size * 0.6, minFreeSpace: size * 0.2 }
}
