import { hash } from 'node:crypto'
import { DistributionError } from './errors.ts'

/** The registered algorithms of the image specification; registries take both ("Pushing blobs", RFC 6920 forms are not used). */
export type Algorithm = 'sha256' | 'sha512'

/** A content address: algorithm and lower-case hex digits. */
export type Digest = `${Algorithm}:${string}`

const pattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export function isDigest(text: string): text is Digest {
  return pattern.test(text)
}

/** Decodes foreign text; throws DIGEST_INVALID. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text))
    throw new DistributionError(
      'DIGEST_INVALID',
      `invalid digest ${JSON.stringify(text.slice(0, 200))}: want sha256 or sha512 with lower-case hex digits`,
    )
  return text
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length)
}

/** The digest whose hex digits stand alone: their number tells the algorithm. */
export function digestOfHex(hex: string): Digest | undefined {
  const text = hex.length === 64 ? `sha256:${hex}` : `sha512:${hex}`
  return isDigest(text) ? text : undefined
}

export function digestOf(data: string | Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
  return `${algorithm}:${hash(algorithm, data)}`
}
