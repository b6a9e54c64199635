import type { CacheImport, OutputRequest } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { z } from 'zod'

interface Entry {
  readonly Type: string
  readonly Attrs: Readonly<Record<string, string>>
}

/** BuildKit: Go's field names, in any case. */
const entries = z.array(
  z
    .record(z.string(), z.unknown())
    .transform((entry) => Object.fromEntries(Object.entries(entry).map(([key, v]) => [key.toLowerCase(), v])))
    .pipe(z.object({ type: z.string(), attrs: z.record(z.string(), z.string()).nullish() })),
)

/** The options `cache-imports`, in JSON, and `cache-from`, a list of images. */
export function cacheImports(json: string | undefined, images: string | undefined): CacheImport[] {
  const listed = (images ?? '').split(',').filter((reference) => reference !== '')
  const given = json === undefined ? [] : parse(json)
  const all = [...given, ...listed.map((ref) => ({ type: 'registry', attrs: { ref } }))]
  return all.map(({ type, attrs }) => {
    if (type !== 'registry') throw refused('from', type)
    const ref = attrs?.['ref'] ?? ''
    if (ref === '') throw new EngineError('invalid', 'cache import of type registry wants a ref')
    return { kind: 'registry', reference: ref }
  })
}

export function cacheExports(list: readonly Entry[]): OutputRequest[] {
  return list.map(({ Type: type, Attrs: attrs }) => {
    if (type !== 'inline' && type !== 'registry') throw refused('to', type)
    return { type, attrs }
  })
}

function parse(json: string): z.infer<typeof entries> {
  try {
    return entries.parse(JSON.parse(json))
  } catch (cause) {
    throw new EngineError('invalid', 'failed to unmarshal cache-imports', { cause })
  }
}

const refused = (direction: 'from' | 'to', type: string) =>
  new EngineError(
    'unsupported',
    `--cache-${direction} type=${type} is not supported through BuildKit’s API: use registry${direction === 'to' ? ' or inline' : ''}, or gantry build`,
  )
