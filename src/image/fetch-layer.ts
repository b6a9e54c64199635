import type { ContentStore } from '../content/index.ts'
import { decompress } from '../host/decompress.ts'
import type { Op } from '../lib/op.ts'
import type { Repository } from '../registry/index.ts'
import type { DiffId, Pump, Snapshots } from '../snapshot/index.ts'
import type { Lease } from '../store/index.ts'
import type { RegistryDescriptor } from './registry-manifest.ts'

export type LayerNews =
  | { readonly status: 'Downloading' | 'Extracting'; readonly current: number; readonly total: number }
  | { readonly status: 'Retrying'; readonly seconds: number }
  | { readonly status: 'Download complete' }

/**
 * Downloads a layer; a worker unpacks it while it comes. The layer appears only when the blob has its digest and size, and its
 * content the diffID; nothing is left of a failure but what leases hold.
 */
export async function fetchLayer(
  op: Op,
  o: {
    repository: Repository
    descriptor: RegistryDescriptor
    diffId: DiffId
    content: ContentStore
    snapshots: Snapshots
    lease: Lease
    tell: (news: LayerNews) => void
  },
): Promise<void> {
  const { content, snapshots, descriptor, diffId, lease, tell } = o
  const { digest, size } = descriptor
  lease.add(`layer:${diffId}`)
  lease.add(`blob:${digest}`)
  if (snapshots.layer(diffId)) return
  if (await content.has(digest)) {
    tell({ status: 'Extracting', current: 0, total: size })
    await snapshots.unpack(op, await decompress(op, content.read(digest)), {
      expected: diffId,
      blob: digest,
      lease,
    })
    return
  }
  await using ingest = content.ingest()
  const progress = {
    received(current: number) {
      tell({ status: 'Downloading', current, total: size })
      if (current < size) return
      tell({ status: 'Download complete' })
      // The worker is a little behind.
      tell({ status: 'Extracting', current, total: size })
    },
    retrying: (ms: number) => tell({ status: 'Retrying', seconds: Math.ceil(ms / 1000) }),
  }
  const pump: Pump = (inner, write) => o.repository.fetch(inner, descriptor, { write, progress })
  await snapshots.receive(op, pump, {
    expected: diffId,
    blob: digest,
    copyTo: ingest.path,
    commit: () => ingest.commit(digest),
    lease,
  })
}
