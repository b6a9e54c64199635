import { z } from 'zod'
import { parseDigest, type Digest } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { FetchedManifest, Repository } from '../../registry/index.ts'

const descriptor = z.object({ digest: z.string(), size: z.number().int().min(0) })
const parts = z.object({
  manifests: z.array(descriptor).max(1000).optional(),
  config: descriptor.optional(),
  layers: z.array(descriptor).max(1000).optional(),
})

/** Lists may have lists in them. */
const maxDepth = 3

export interface CopyOptions {
  readonly from: Repository
  readonly to: Repository
  /** Both are of one registry, which can take blobs over by itself. */
  readonly sameRegistry: boolean
}

/** An image, for all of its platforms, from one repository into another. Returns what stands for it in a list. */
export async function copyImage(
  op: Op,
  reference: string,
  o: CopyOptions,
): Promise<{ mediaType: string; digest: Digest; size: number }> {
  const manifest = await copyManifest(op, reference, { ...o, depth: 0 })
  return { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.data.length }
}

async function copyManifest(
  op: Op,
  reference: string,
  o: CopyOptions & { depth: number },
): Promise<FetchedManifest> {
  if (o.depth > maxDepth) throw new EngineError('invalid', `manifest ${reference}: lists of lists of lists`)
  const manifest = await o.from.manifest(op, reference)
  const { manifests = [], config, layers = [] } = parts.parse(JSON.parse(manifest.data.toString()))
  for (const { digest } of manifests)
    await copyManifest(op, parseDigest(digest), { ...o, depth: o.depth + 1 })
  for (const blob of config ? [config, ...layers] : layers) {
    const { size } = blob
    const digest = parseDigest(blob.digest)
    if (await o.to.hasBlob(op, digest)) continue
    await o.to.upload(op, {
      blob: { digest, size },
      from: o.sameRegistry ? [o.from.name] : [],
      open: () => o.from.blob(op, { digest, size }),
    })
  }
  await o.to.putManifest(op, manifest.digest, manifest)
  return manifest
}
