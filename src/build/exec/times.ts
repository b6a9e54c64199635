import { EngineError } from '../../lib/errors.ts'
import type { Tree } from '../graph/tree.ts'
import { cacheKey, type Json, type Work } from '../solver/vertex.ts'

/** What a build does with the clock, when it is to give the same image at any time. */
export interface Times {
  /** Unix seconds: the time of the image, and the latest time of a file in a layer of the build. */
  readonly epoch: number
  /**
   * Files of a context get this very time, also those that are older: what a checkout says of them has nothing to do with
   * their content.
   */
  readonly exact: boolean
}

/** 1980-01-01, the first day that ZIP archives know. */
const defaultEpoch = 315_532_800

/**
 * SOURCE_DATE_EPOCH as the specification and BuildKit have it: later times become this. `reproducible` wants times that
 * depend on nothing, whether an epoch is given or not. Throws kind `invalid`.
 */
export function timesOf(o: {
  sourceDateEpoch: string | undefined
  reproducible: boolean
}): Times | undefined {
  const text = o.sourceDateEpoch ?? ''
  if (text === '') return o.reproducible ? { epoch: defaultEpoch, exact: true } : undefined
  if (!/^\d{1,12}$/.test(text))
    throw new EngineError(
      'invalid',
      `invalid SOURCE_DATE_EPOCH: ${JSON.stringify(text)}: want seconds since 1970`,
    )
  return { epoch: Number(text), exact: o.reproducible }
}

/** As image configs write it. */
export const epochText = ({ epoch }: Times): string => new Date(epoch * 1000).toISOString()

/** The same work, giving layers with these times: not to be taken for one without. */
export function withTimes(times: Times | undefined, work: Work<Tree>): Work<Tree> {
  if (!times) return work
  return {
    ...work,
    keys: work.keys.map((make) => async (op, inputs, io) => {
      const key = await make(op, inputs, io)
      const parts = isRecord(key.inputs) ? key.inputs : { of: key.inputs }
      return { ...key, ...cacheKey({ ...parts, times: { ...times } }) }
    }),
  }
}

const isRecord = (value: Json): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
