import type { Distribution, Image, Images, OciImage } from '../../image/index.ts'
import type { Digest } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import { detached, type Op } from '../../lib/op.ts'
import { canonical, familiar } from '../../lib/reference.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Lease } from '../../store/index.ts'
import type { Platform } from '../../wire/registry.ts'
import type { Attester } from '../attest/attester.ts'
import type { AuthSource } from '../request.ts'
import type { Progress } from '../solver/progress.ts'
import { sendArchive, storeIndex } from './archive.ts'
import { sendFiles } from './files.ts'
import type { ArchiveOutput, FilesOutput, Output, StoreOutput } from './outputs.ts'
import type { FinishedImage } from './package.ts'
import { pushOutput } from './push.ts'

/** What the build made for one platform. */
export interface BuiltImage {
  readonly layers: readonly Digest[]
  readonly makeConfig: () => OciImage
  readonly platform: Platform
  readonly attester: Attester
}

/** What exporters say about what they made, under BuildKit's keys: `containerimage.digest`, `image.name`, … */
export type ExporterResponse = Readonly<Record<string, unknown>>

export interface Delivered {
  /** Digest of the image's config; empty when only files were wanted. */
  readonly imageId: Digest | ''
  /** Familiar names that the local store knows the image by now. */
  readonly tags: string[]
  readonly response: ExporterResponse
}

/**
 * Gives a finished build to everyone who asked for it. What is sent goes first: the local store's names move only when
 * all of that has arrived.
 */
export async function deliver(
  op: Op,
  outputs: readonly Output[],
  o: {
    /** One for each platform. */
    built: readonly BuiltImage[]
    images: Images
    snapshots: Snapshots
    lease: Lease
    progress: Progress
    distribution: Distribution | undefined
    auth: AuthSource | undefined
  },
): Promise<Delivered> {
  const { progress } = o
  const wantsImage = outputs.some((output) => output.kind === 'store' || output.kind === 'archive')
  const finished = wantsImage
    ? o.built.map(({ makeConfig, attester }) => ({ config: makeConfig(), attester }))
    : []
  let response: ExporterResponse = {}
  let imageId: Digest | '' = ''
  const tags: string[] = []
  for (const output of outputs) {
    if (output.kind !== 'archive' && output.kind !== 'files') continue
    const made = await progress.task(titleOf(output), async (io) => {
      if (output.kind === 'archive') return await sendArchive(op, output, { ...o, finished, io })
      if (output.kind === 'files') await sendFiles(op, output, { ...o, io })
      return {}
    })
    response = { ...response, ...made }
  }
  const digest = response['containerimage.config.digest']
  if (typeof digest === 'string') imageId = digest as Digest
  for (const output of outputs) {
    if (output.kind !== 'store') continue
    const kept = await keepImages(op, output, { ...o, finished })
    imageId = kept.image.id
    tags.push(...output.names.map(familiar))
    response = { ...response, ...kept.response }
    if (!output.push) continue
    const { distribution } = o
    if (!distribution) throw new EngineError('unsupported', 'push: registries are not supported yet')
    const pushed = await progress.task('pushing to registry', (io) =>
      pushOutput(op, output, { ...o, distribution, finished, io }),
    )
    response = { ...response, ...pushed }
  }
  return { imageId, tags, response }
}

async function keepImages(
  op: Op,
  output: StoreOutput,
  o: { finished: readonly FinishedImage[]; images: Images; lease: Lease; progress: Progress },
): Promise<{ image: Image; response: ExporterResponse }> {
  const { finished, images } = o
  const [only, ...others] = finished
  if (!only) throw new Error('a build makes at least one image')
  return await o.progress.task('exporting to image', async (io) => {
    if (others.length > 0) return await storeIndex(op, output, { ...o, io })
    io.status('exporting layers')()
    // Committed from here on: names move all together or not at all.
    op.signal.throwIfAborted()
    const image = await images.create(detached(op, 60_000), only.config, output.names.map(canonical))
    io.status(`writing image ${image.id}`)()
    for (const name of output.names) io.status(`naming to ${canonical(name)}`)()
    const response = {
      'containerimage.digest': image.id,
      'containerimage.config.digest': image.id,
      ...(output.names.length > 0 && { 'image.name': output.names.map(canonical).join(',') }),
    }
    return { image, response }
  })
}

function titleOf(output: ArchiveOutput | FilesOutput): string {
  switch (output.kind) {
    case 'archive':
      return `exporting to ${output.format} image format`
    case 'files':
      return output.format === 'local' ? 'exporting to client directory' : 'exporting to client tarball'
  }
}
