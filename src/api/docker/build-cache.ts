import type { CacheItem, CachePolicy } from '../../build/index.ts'
import { cacheFilterOf } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { Filters, parseTime } from './filters.ts'
import type { Query } from './query.ts'
import { sendJson } from './respond.ts'
import type { Route } from './route.ts'

type Deps = Pick<Engine, 'builder'>

export function buildCacheRoutes(engine: Deps): Route[] {
  return [
    {
      method: 'POST',
      path: '/build/prune',
      handler: async ({ query, response, committed }) => {
        const { ids, bytes } = await engine.builder.cache.prune(committed, policyOf(query))
        sendJson(response, { CachesDeleted: ids, SpaceReclaimed: bytes })
      },
    },
  ]
}

/** As `/system/df` shows it. */
export function encodeCacheItem(item: CacheItem) {
  return {
    ID: item.id,
    ...(item.parents.length > 0 && { Parents: item.parents }),
    Type: item.type,
    Description: item.description,
    InUse: item.inUse,
    Shared: item.shared,
    Size: item.bytes,
    CreatedAt: item.createdAt,
    LastUsedAt: item.lastUsedAt ?? null,
    UsageCount: item.usageCount,
  }
}

const fields = ['description', 'id', 'inuse', 'parent', 'parents', 'private', 'shared', 'type']
const ages = ['until', 'unused-for']

function policyOf(query: Query): CachePolicy {
  const filters = Filters.of(query, [...fields, ...ages])
  const [age, ...more] = ages.flatMap((key) => filters.get(key))
  if (more.length > 0)
    throw new EngineError('invalid', 'conflicting filters: specify one of until and unused-for, once')
  const size = (name: string) => {
    const bytes = query.integer(name) ?? 0
    if (bytes < 0) throw new EngineError('invalid', `${name} must not be negative`)
    return bytes
  }
  return {
    all: query.flag('all'),
    filter: cacheFilterOf(Object.fromEntries(fields.map((key) => [key, filters.get(key)]))),
    unusedForMs: age === undefined ? 0 : Math.max(0, Date.now() - parseTime(age) * 1000),
    limits: {
      // Docker: the older name, from before API 1.48.
      reservedSpace: size('reserved-space') || size('keep-storage'),
      maxUsedSpace: size('max-used-space'),
      minFreeSpace: size('min-free-space'),
    },
  }
}
