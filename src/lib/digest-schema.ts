import { z } from 'zod'
import { isDigest, type Digest } from './digest.ts'

/** A digest within foreign JSON or a record of ours. */
export const digestSchema = z.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'not a sha256 digest',
)
