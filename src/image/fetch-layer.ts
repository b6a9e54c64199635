import { PassThrough, Readable } from 'node:stream'
import type { ContentStore } from '../content/index.ts'
import { decompress } from '../host/decompress.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { Repository } from '../registry/index.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Lease } from '../store/index.ts'
import type { RegistryDescriptor } from './registry-manifest.ts'

export type LayerNews =
  | { readonly status: 'Downloading' | 'Extracting'; readonly current: number; readonly total: number }
  | { readonly status: 'Retrying'; readonly seconds: number }
  | { readonly status: 'Verifying Checksum' | 'Download complete' }

/** Compressed bytes that may wait for the unpacking. */
const aheadBytes = 4 << 20

/**
 * Downloads a layer and unpacks it while it comes. The layer appears only when the blob has its digest and size, and its
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
  const { content, snapshots, descriptor, diffId, lease } = o
  const { digest, size } = descriptor
  lease.add(`layer:${diffId}`)
  lease.add(`blob:${digest}`)
  if (snapshots.layer(diffId)) return
  const unpack = async (source: Readable) => {
    await snapshots.unpack(op, await decompress(op, source), { expected: diffId, blob: digest, lease })
  }
  if (await content.has(digest)) {
    o.tell({ status: 'Extracting', current: 0, total: size })
    return await unpack(content.read(digest))
  }
  const toUnpack = new PassThrough({ highWaterMark: aheadBytes })
  const unpacked = unpack(toUnpack)
  // Awaited below, in whichever order they end.
  unpacked.catch(() => toUnpack.destroy())
  try {
    await store(op, { ...o, toUnpack })
  } catch (error) {
    // Destroyed by the unpacking: that is the failure to report.
    if (toUnpack.destroyed && !op.signal.aborted) await unpacked
    toUnpack.destroy(error instanceof Error ? error : new Error(String(error)))
    await unpacked.catch(() => undefined)
    throw error
  }
  o.tell({ status: 'Download complete' })
  o.tell({ status: 'Extracting', current: size, total: size })
  // Only now may the layer appear.
  toUnpack.end()
  await unpacked
}

async function store(
  op: Op,
  o: {
    repository: Repository
    descriptor: RegistryDescriptor
    content: ContentStore
    lease: Lease
    toUnpack: PassThrough
    tell: (news: LayerNews) => void
  },
): Promise<void> {
  const { descriptor, tell, toUnpack, lease } = o
  const { digest, size } = descriptor
  const source = o.repository.blob(op, descriptor, {
    progress: {
      received: (current) => tell({ status: 'Downloading', current, total: size }),
      retrying: (ms) => tell({ status: 'Retrying', seconds: Math.ceil(ms / 1000) }),
    },
  })
  const both = Readable.from(alsoTo(source, toUnpack), { objectMode: false, highWaterMark: 1 << 20 })
  try {
    // A layer is not known to be on the disk at once, and its blob goes with it if it is not.
    await o.content.write(op, both, { expected: digest, maxBytes: size, lease, sync: false })
  } catch (cause) {
    if (cause instanceof EngineError && cause.kind === 'invalid' && /has the digest/.test(cause.message))
      throw new EngineError('invalid', `filesystem layer verification failed for digest ${digest}`, { cause })
    throw cause
  }
}

async function* alsoTo(source: Readable, other: PassThrough): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (!other.write(chunk)) await room(other)
      if (other.destroyed) throw new Error('the unpacking has ended')
      yield chunk
    }
  } finally {
    source.destroy()
  }
}

function room(stream: PassThrough): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
    if (stream.destroyed) done()
  })
}
