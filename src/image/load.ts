import type { Readable } from 'node:stream'
import { decompress } from '../host/decompress.ts'
import { hexOf, type Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { group } from '../lib/group.ts'
import { shortId } from '../lib/id.ts'
import type { Op } from '../lib/op.ts'
import type { DiffId } from '../snapshot/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import { storeFiles, type ArchiveStore } from './archive-files.ts'
import { decodeConfig, type OciImage } from './config.ts'
import { describeArchive, maxJsonSize, type LoadedIndex } from './describe-archive.ts'
import { formatPlatform, platformOf, suits } from './platform.ts'

interface LoadHost extends ArchiveStore {
  /** Only images for it. */
  readonly platform?: Platform | undefined
}

export type LoadStep =
  | { type: 'progress'; message: ProgressMessage }
  /** All layers of this image are there now. */
  | { type: 'image'; config: Buffer; refs: string[]; index?: LoadedIndex | undefined }

/** Reads the archive whole, then gives its images one by one, with all their layers unpacked. */
export async function* loadArchive(op: Op, archive: Readable, host: LoadHost): AsyncGenerator<LoadStep> {
  const files = await storeFiles(op, await decompress(op, archive), host)
  const images = await describeArchive(files, host)
  let loaded = 0
  for (const image of images) {
    const config = await host.content.bytes(image.config, maxJsonSize)
    const decoded = decodeConfig(config, image.config)
    if (host.platform && !suits(platformOf(decoded), host.platform)) continue
    checkPlatform(decoded)
    loaded++
    yield* unpackLayers(op, { config: decoded, blobs: image.layers, host })
    yield { type: 'image', config, refs: [...image.refs], index: image.index }
  }
  if (loaded === 0 && host.platform)
    throw new EngineError(
      'not-found',
      `the archive has no image for the platform ${formatPlatform(host.platform)}`,
    )
}

function checkPlatform(config: OciImage): void {
  if (config.os !== 'linux')
    throw new EngineError('unsupported', `the image is for ${config.os}: only linux images can be loaded`)
}

async function* unpackLayers(
  op: Op,
  o: { config: OciImage; blobs: readonly Digest[]; host: LoadHost },
): AsyncGenerator<LoadStep> {
  const { snapshots, content, lease, touched } = o.host
  const diffIds = o.config.rootfs.diff_ids
  if (diffIds.length !== o.blobs.length)
    throw new EngineError(
      'invalid',
      `the image's config has ${diffIds.length} layers, its manifest ${o.blobs.length}`,
    )
  const done: DiffId[] = []
  const tasks = diffIds.map((diffId, position) => async (inner: Op) => {
    const blob = o.blobs[position]
    lease.add(`layer:${diffId}`)
    if (snapshots.layer(diffId) || blob === undefined) return
    touched.layers.add(diffId)
    // Stored uncompressed, a blob is known by the diffID itself: no need to read it to see that it is another.
    const source = await decompress(inner, content.read(blob))
    await snapshots.unpack(inner, source, { expected: diffId, blob, lease })
    done.push(diffId)
  })
  await group(op, tasks, { limit: 3 })
  for (const diffId of done)
    yield {
      type: 'progress',
      message: { status: 'Loaded layer', id: shortId(hexOf(diffId)), progressDetail: {} },
    }
}
