import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { canonical, parseReference } from '../lib/reference.ts'
import type { DiffId } from '../snapshot/index.ts'
import type { ImageConfig } from '../wire/container.ts'
import type { ArchiveHost } from './archives.ts'
import type { Image, OciImage } from './config.ts'
import { hostArchitecture } from './platform.ts'

export interface CommitOptions {
  /** What was written there becomes the new layer; it goes on. */
  readonly workspace: string
  /** Mount points of the engine's own: left out where nothing was written to them. */
  readonly mountPoints: readonly string[]
  /** The image below, which may be gone, and its layers, which are not. */
  readonly parent: Digest
  readonly layers: readonly DiffId[]
  readonly config: ImageConfig
  readonly createdBy: string
  readonly author: string
  readonly comment: string
  /** Name as the user wrote it; none leaves the image without one. */
  readonly ref?: string
}

/** Makes an image of a container's layers and what it wrote. */
export async function commitImage(op: Op, o: CommitOptions, host: ArchiveHost): Promise<Image> {
  const { catalog, snapshots, leases } = host
  const reference = o.ref === undefined ? undefined : parseReference(o.ref)
  if (reference?.digest !== undefined) throw new EngineError('invalid', 'cannot commit to digest reference')
  using lease = leases.open()
  const layer = await snapshots.capture(op, o.workspace, { lease, mountPoints: o.mountPoints })
  const created = new Date().toISOString()
  const parent: OciImage | undefined = catalog.configOf(o.parent)
  const config: OciImage = {
    architecture: parent?.architecture ?? hostArchitecture(),
    os: parent?.os ?? 'linux',
    ...(parent?.variant !== undefined && { variant: parent.variant }),
    created,
    ...(o.author !== '' && { author: o.author }),
    config: o.config,
    rootfs: { type: 'layers', diff_ids: [...o.layers, layer.diffId] },
    history: [
      ...(parent?.history ?? o.layers.map(() => ({}))),
      {
        created,
        created_by: o.createdBy,
        ...(o.author !== '' && { author: o.author }),
        ...(o.comment !== '' && { comment: o.comment }),
      },
    ],
  }
  const refs = reference ? [canonical(reference)] : []
  return catalog.add(op, Buffer.from(JSON.stringify(config)), { refs, lease })
}
