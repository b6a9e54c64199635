import { digestOf } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Of } from './proto/message.ts'
import { type Definition, Op } from './proto/ops.ts'

/**
 * A client that builds one target on another (`contexts: target:base` of a bake file) takes the result of the one as a
 * graph and hands it back as an input of the other. Our graphs name an image and nothing else.
 */
const scheme = 'gantry-image://'

export function graphOf(imageId: string): Of<typeof Definition> {
  const source = Op.encode({ source: { identifier: scheme + imageId } })
  // BuildKit: the last operation has no content, its input is the result.
  const last = Op.encode({ inputs: [{ digest: digestOf(source), index: 0n }] })
  return { def: [source, last], metadata: { [digestOf(source)]: {}, [digestOf(last)]: {} } }
}

/** The image that a graph of ours names. Throws kind `unsupported` for any other graph. */
export function imageOfGraph(definition: Of<typeof Definition> | undefined): string {
  const sources = (definition?.def ?? []).map((bytes) => Op.decode(bytes).source?.identifier)
  const [image, ...more] = sources.filter((identifier) => identifier !== undefined)
  if (image?.startsWith(scheme) && more.length === 0) return image.slice(scheme.length)
  throw refusedGraph()
}

export const refusedGraph = () =>
  new EngineError(
    'unsupported',
    'builds from LLB definitions are not supported: only Dockerfiles are built here',
  )
