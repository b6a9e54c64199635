import { lastUseOf, parseCacheFilter, type CacheItem } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { detached } from '../../lib/op.ts'
import { serverStream, unary, type Method } from './grpc/server.ts'
import * as pb from './proto/control.ts'
import type { Of } from './proto/message.ts'

/** Milliseconds. */
const pruneTime = 600_000

const service = '/moby.buildkit.v1.Control/'

/** What the build cache holds, and its pruning. */
export function cacheMethods(engine: Pick<Engine, 'builder'>): Method[] {
  const { cache } = engine.builder
  return [
    unary(
      `${service}DiskUsage`,
      { request: pb.DiskUsageRequest, response: pb.DiskUsageResponse },
      async (call, { filter, ageLimit }) => {
        const matches = filterOf(filter)
        const unusedForMs = Number(ageLimit / 1_000_000n)
        const items = (await cache.items(call.op)).filter(
          (item) => matches(item) && (unusedForMs === 0 || Date.now() - lastUseOf(item) >= unusedForMs),
        )
        return { record: items.map(usageRecord) }
      },
    ),
    serverStream(
      `${service}Prune`,
      { request: pb.PruneRequest, response: pb.UsageRecord },
      async function* prune(call, request) {
        const before = new Map((await cache.items(call.op)).map((item) => [item.id, item]))
        // The client's hanging up does not stop it halfway.
        const op = detached(call.op, pruneTime)
        const { ids, bytes } = await cache.prune(op, policyOf(request))
        let left = bytes
        for (const id of ids) {
          const item = before.get(id)
          if (!item) continue
          // What an image shares has freed nothing.
          const size = Math.min(item.shared ? 0 : item.bytes, left)
          left -= size
          yield { ...usageRecord(item), Size: BigInt(size) }
        }
      },
    ),
  ]
}

// buildx: no filter is an empty text.
const filterOf = (texts: readonly string[]) => parseCacheFilter(texts.filter((text) => text !== ''))

function policyOf(request: Of<typeof pb.PruneRequest>) {
  const size = (bytes: bigint) => {
    if (bytes < 0n) throw new EngineError('invalid', 'sizes must not be negative')
    return Number(bytes)
  }
  return {
    all: request.all,
    filter: filterOf(request.filter),
    unusedForMs: Number(request.keepDuration / 1_000_000n),
    limits: {
      reservedSpace: size(request.reservedSpace),
      maxUsedSpace: size(request.maxUsedSpace),
      minFreeSpace: size(request.minFreeSpace),
    },
  }
}

function usageRecord(item: CacheItem) {
  return {
    ID: item.id,
    Mutable: item.mutable,
    InUse: item.inUse,
    Size: BigInt(item.bytes),
    CreatedAt: Date.parse(item.createdAt),
    LastUsedAt: item.lastUsedAt === undefined ? undefined : Date.parse(item.lastUsedAt),
    UsageCount: BigInt(item.usageCount),
    Description: item.description,
    RecordType: item.type,
    Shared: item.shared,
    Parents: item.parents,
  }
}
