import { cacheFilterOf, lastUseOf, type CacheItem, type CachePolicy } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { BuildCacheInfo, CacheMountInfo } from '../../wire/build-cache.ts'
import { Filters, parseTime } from './filters.ts'
import type { Query } from './query.ts'
import { sendJson, sendStream } from './respond.ts'
import type { Route } from './route.ts'

type Deps = Pick<Engine, 'builder'>

export function buildCacheRoutes(engine: Deps): Route[] {
  // Not before a request: the table of routes is also made without an engine.
  const cache = () => engine.builder.cache
  return [
    {
      method: 'POST',
      path: '/build/prune',
      handler: async ({ query, response, committed }) => {
        const { ids, bytes } = await cache().prune(committed, policyOf(query))
        sendJson(response, { CachesDeleted: ids, SpaceReclaimed: bytes })
      },
    },
    {
      method: 'GET',
      path: '/gantry/build/cache',
      handler: async ({ query, response, op }) => {
        const { filter, unusedForMs } = selectionOf(query)
        const items = (await cache().items(op)).filter(
          (item) => filter(item) && (unusedForMs === 0 || Date.now() - lastUseOf(item) >= unusedForMs),
        )
        sendJson(response, items.map(encodeCacheItem))
      },
    },
    {
      method: 'GET',
      path: '/gantry/build/caches',
      handler: async ({ response }) => {
        const list = await cache().mounts.list()
        const answer: CacheMountInfo[] = list.map((item) => ({
          ...encodeCacheItem(item),
          MountID: item.mountId,
        }))
        sendJson(response, answer)
      },
    },
    {
      method: 'DELETE',
      path: '/gantry/build/caches',
      handler: async ({ query, response, committed }) => {
        const { name, bytes } = await cache().removeMount(committed, idOf(query))
        sendJson(response, { CachesDeleted: [name], SpaceReclaimed: bytes })
      },
    },
    {
      method: 'GET',
      path: '/gantry/build/caches/archive',
      handler: (call) =>
        cache().exportMount(call.op, {
          id: idOf(call.query),
          send: (tar) => sendStream(call, tar, 'application/x-tar'),
        }),
    },
    {
      method: 'PUT',
      path: '/gantry/build/caches/archive',
      handler: async (call) => {
        await cache().importMount(call.op, { id: idOf(call.query), archive: call.request })
        call.response.writeHead(204).end()
      },
    },
  ]
}

/** Ids are paths as often as not: they do not go in a path. */
function idOf(query: Query): string {
  const id = query.text('id')
  if (id === '') throw new EngineError('invalid', 'the parameter "id" must name a cache')
  return id
}

/** As `/system/df` shows it. */
export function encodeCacheItem(item: CacheItem): BuildCacheInfo {
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

function selectionOf(query: Query): Pick<CachePolicy, 'filter' | 'unusedForMs'> {
  const filters = Filters.of(query, [...fields, ...ages])
  const [age, ...more] = ages.flatMap((key) => filters.get(key))
  if (more.length > 0)
    throw new EngineError('invalid', 'conflicting filters: specify one of until and unused-for, once')
  return {
    filter: cacheFilterOf(Object.fromEntries(fields.map((key) => [key, filters.get(key)]))),
    unusedForMs: age === undefined ? 0 : Math.max(0, Date.now() - parseTime(age) * 1000),
  }
}

function policyOf(query: Query): CachePolicy {
  const size = (name: string) => {
    const bytes = query.integer(name) ?? 0
    if (bytes < 0) throw new EngineError('invalid', `${name} must not be negative`)
    return bytes
  }
  return {
    all: query.flag('all'),
    ...selectionOf(query),
    limits: {
      // Docker: the older name, from before API 1.48.
      reservedSpace: size('reserved-space') || size('keep-storage'),
      maxUsedSpace: size('max-used-space'),
      minFreeSpace: size('min-free-space'),
    },
  }
}
