import { choosePlatform, formatPlatform, type Distribution, type Image, type Images } from '../image/index.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { parseReference } from '../lib/reference.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import type { AuthSource } from './request.ts'
import type { Io } from './solver/vertex.ts'

/** Finds what FROM and `COPY --from` name. */
export interface BaseImages {
  readonly images: Images
  /** Absent: only images that are here are found. */
  readonly distribution: Distribution | undefined
  readonly auth: AuthSource | undefined
  /** Ask the registry for each, also for those that are here. */
  readonly pull: boolean
}

/** An image that is here, or, with a registry to ask, pulled; `io` is told of its layers. */
export async function findBaseImage(
  op: Op,
  name: string,
  o: BaseImages & { io: Io; platform?: Platform },
): Promise<Image> {
  const { images, distribution } = o
  // An id names nothing that a registry knows.
  if (!distribution || /^(sha256:)?[0-9a-f]{64}$/.test(name)) return suitable(images.find(name), name, o)
  const auth = await o.auth?.of(op, parseReference(name).domain)
  const platform = o.platform && formatPlatform(o.platform)
  return await distribution.ensure(op, name, { auth, platform, always: o.pull, report: layerStatuses(o.io) })
}

function suitable(image: Image, name: string, { platform }: { platform?: Platform }): Image {
  const { os, architecture, variant } = image.config
  const has: Platform = { os, architecture, ...(variant !== undefined && { variant }) }
  if (!platform || choosePlatform([{ platform: has }], platform)) return image
  throw new EngineError(
    'not-found',
    `image with reference ${name} was found but its platform (${formatPlatform(has)}) does not match the specified platform (${formatPlatform(platform)})`,
  )
}

/** A line for each layer that travels, from its first byte to its last file. */
function layerStatuses(io: Io): (message: ProgressMessage) => void {
  const running = new Map<string, () => void>()
  return ({ id, status }) => {
    if (id === undefined || status === undefined) return
    if (status === 'Downloading' || status === 'Extracting') {
      if (!running.has(id)) running.set(id, io.status(`pulling ${id}`))
    } else if (status === 'Pull complete') {
      running.get(id)?.()
      running.delete(id)
    }
  }
}
