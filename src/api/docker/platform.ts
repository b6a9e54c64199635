import { z } from 'zod'
import { EngineError } from '../../lib/errors.ts'
import type { Platform } from '../../wire/registry.ts'
import type { Query } from './query.ts'

const shape = z.object({
  os: z.string().min(1),
  architecture: z.string().min(1),
  variant: z.string().nullish(),
})

/** The parameter `platform` of calls about images: OCI's description of one, as JSON. */
export function platformIn(query: Query): Platform | undefined {
  const value = query.json('platform')
  return value === undefined ? undefined : decode(value)
}

/** The parameter `platforms`: any number of them. */
export function platformsIn(query: Query): Platform[] {
  return query.all('platforms').flatMap((text) => {
    if (text === '') return []
    try {
      return decode(JSON.parse(text))
    } catch (cause) {
      if (cause instanceof EngineError) throw cause
      throw new EngineError('invalid', 'invalid value for platforms: not JSON', { cause })
    }
  })
}

function decode(value: unknown): Platform {
  const result = shape.safeParse(value)
  if (!result.success)
    throw new EngineError('invalid', 'invalid platform: want JSON with os, architecture and maybe variant')
  const { os, architecture, variant } = result.data
  return { os, architecture, ...(variant && { variant }) }
}
