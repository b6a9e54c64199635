import type { Distribution, Image, Images } from '../image/index.ts'
import type { Op } from '../lib/op.ts'
import { parseReference } from '../lib/reference.ts'
import type { ProgressMessage } from '../wire/image.ts'
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
export async function findBaseImage(op: Op, name: string, o: BaseImages & { io: Io }): Promise<Image> {
  const { images, distribution } = o
  // An id names nothing that a registry knows.
  if (!distribution || /^(sha256:)?[0-9a-f]{64}$/.test(name)) return images.find(name)
  const auth = await o.auth?.of(op, parseReference(name).domain)
  return await distribution.ensure(op, name, { auth, always: o.pull, report: layerStatuses(o.io) })
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
