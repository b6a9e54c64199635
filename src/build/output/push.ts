import type { Distribution, Images } from '../../image/index.ts'
import type { Op } from '../../lib/op.ts'
import { canonical, repositoryOf } from '../../lib/reference.ts'
import type { Lease } from '../../store/index.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import type { AuthSource } from '../request.ts'
import type { Io } from '../solver/vertex.ts'
import { packageResponse } from './archive.ts'
import type { ExporterResponse } from './deliver.ts'
import type { StoreOutput } from './outputs.ts'
import { packageImages, type FinishedImage } from './package.ts'

/** Brings what was built to the registries that its names say. */
export async function pushOutput(
  op: Op,
  output: StoreOutput,
  o: {
    /** As it was made: what is read again from the store may have lost what is not ours. */
    finished: readonly FinishedImage[]
    images: Images
    distribution: Pick<Distribution, 'push' | 'pushDocuments'>
    auth: AuthSource | undefined
    lease: Lease
    io: Io
  },
): Promise<ExporterResponse> {
  const { distribution, images, io, lease, finished } = o
  let response: ExporterResponse = {}
  for (const name of output.names) {
    const auth = await o.auth?.of(op, name.domain)
    const told = layerNews(io)
    const options = { auth, report: told.report }
    try {
      if (isPlain(output) && !finished.some(({ attester }) => attester?.wanted)) {
        const { digest } = await distribution.push(op, canonical(name), options)
        response = { 'containerimage.digest': digest }
        io.status(`pushing manifest for ${canonical(name)}@${digest}`)()
        continue
      }
      const made = await packageImages(op, output.manifest, {
        ...o,
        names: output.names,
      })
      await distribution.pushDocuments(op, name, { ...options, ...made })
      io.status(`pushing manifest for ${canonical(name)}@${made.root.digest}`)()
      const byDigest = `${repositoryOf(name)}@${made.root.digest}`
      const [only, ...more] = made.images
      if (only && more.length === 0) await images.adopt(op, only.config.data, { refs: [byDigest], lease })
      response = packageResponse(made, output)
    } finally {
      told.end()
    }
  }
  return response
}

/** Goes as `push` would send it, so that its digest is known here afterwards. */
function isPlain({ manifest }: StoreOutput): boolean {
  const { layers, ociTypes, annotations } = manifest
  return (
    layers.compression === 'gzip' &&
    layers.level === undefined &&
    !layers.force &&
    !ociTypes &&
    annotations.length === 0
  )
}

/** docker's lines of a push → one line below the vertex for each layer that travels. */
function layerNews(io: Io): { report: (message: ProgressMessage) => void; end: () => void } {
  const open = new Map<string, () => void>()
  return {
    report({ id, status }) {
      if (id === undefined) return
      if (status === 'Pushing' && !open.has(id)) open.set(id, io.status(`pushing layer ${id}`))
      else if (status === 'Pushed') {
        open.get(id)?.()
        open.delete(id)
      }
    },
    end() {
      for (const done of open.values()) done()
    },
  }
}
