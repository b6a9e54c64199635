import { z } from 'zod'
import { digestSchema } from '../../lib/digest-schema.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Digest } from '../../lib/digest.ts'

/** The configuration of a cache manifest; its layers are the manifest's. */
export const cacheConfigType = 'application/vnd.gantry.buildcache.config.v1+json'
/** Where an image's configuration has the same, for `type=inline`. */
export const inlineField = 'gantry.buildcache.v1'
export const maxDocument = 16 << 20

const index = z.int().min(0)

/**
 * What steps gave: keys of their work, and the stacks of layers that came of it. A layer may be named without its bytes
 * being anywhere (`mode=min`): enough to find the steps above it.
 */
const documentShape = z
  .object({
    version: z.literal(1),
    layers: z.array(digestSchema).max(100_000),
    records: z
      .array(
        z.object({
          key: digestSchema,
          /** Places in `layers`, bottom first. */
          stack: z.array(index).min(1).max(500),
          createdAt: z.iso.datetime(),
        }),
      )
      .max(100_000),
  })
  .refine(
    ({ layers, records }) => records.every(({ stack }) => stack.every((place) => place < layers.length)),
    'a record names a layer that is not listed',
  )
export type CacheDocument = z.infer<typeof documentShape>

/** Foreign text. Throws kind `invalid`. */
export function decodeDocument(value: unknown, what: string): CacheDocument {
  const result = documentShape.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new EngineError(
    'invalid',
    `${what} is no build cache of this version: ${issue ? `${issue.path.join('.') || 'value'}: ${issue.message}` : 'unknown reason'}`,
  )
}

export function parseJson(data: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'))
  } catch (cause) {
    throw new EngineError('invalid', `${what} is not JSON`, { cause })
  }
}

/** A result under all its keys. */
export interface Finding {
  readonly keys: readonly Digest[]
  readonly layers: readonly Digest[]
  readonly createdAt: string
}

export function documentOfFindings(findings: Iterable<Finding>): CacheDocument {
  const places = new Map<Digest, number>()
  const records = new Map<Digest, CacheDocument['records'][number]>()
  const place = (layer: Digest) => {
    const known = places.get(layer) ?? places.size
    places.set(layer, known)
    return known
  }
  for (const { keys, layers, createdAt } of findings) {
    if (layers.length === 0) continue
    const stack = layers.map(place)
    for (const key of keys) records.set(key, { key, stack, createdAt })
  }
  // In the order of their keys: the same build gives the same document.
  const sorted = [...records.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1))
  return { version: 1, layers: [...places.keys()], records: sorted }
}
