import { isDigest, type Digest } from './digest.ts'
import { DistributionError } from './errors.ts'

/** A JSON object of which nothing is known. */
export type Fields = Readonly<Record<string, unknown>>

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** Far more than any image has. */
const maxDescriptors = 10_000

/** `path` names the field in errors. Throws MANIFEST_INVALID. */
export function mediaTypeOf(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '' || value.length > 255) throw wrong(path, 'a media type')
  return value
}

/** Throws MANIFEST_INVALID. */
export function descriptorOf(value: unknown, path: string): Descriptor {
  if (!isFields(value)) throw wrong(path, 'a descriptor')
  const { mediaType, digest, size } = value
  if (typeof digest !== 'string' || !isDigest(digest))
    throw wrong(`${path}.digest`, 'a sha256 or sha512 digest')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw wrong(`${path}.size`, 'a number of bytes')
  return { mediaType: mediaTypeOf(mediaType, `${path}.mediaType`), digest, size }
}

/** Throws MANIFEST_INVALID. */
export function descriptorsOf(value: unknown, path: string): Descriptor[] {
  if (!Array.isArray(value)) throw wrong(path, 'a list of descriptors')
  if (value.length > maxDescriptors) throw wrong(path, `a list of ${maxDescriptors} descriptors at most`)
  return value.map((one, index) => descriptorOf(one, `${path}.${index}`))
}

/** Undefined when there are none. Throws MANIFEST_INVALID. */
export function annotationsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value == null) return undefined
  if (!isFields(value)) throw wrong('annotations', 'an object of texts')
  for (const name in value)
    if (typeof value[name] !== 'string') throw wrong(`annotations.${name.slice(0, 100)}`, 'a text')
  // Every field was looked at.
  return value as Record<string, string>
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const wrong = (path: string, want: string) =>
  new DistributionError('MANIFEST_INVALID', `invalid manifest: ${path}: not ${want}`)
