import { hash } from 'node:crypto'
import { EngineError } from './errors.ts'

/** A content address as OCI writes it. Only sha256 is produced and accepted. */
export type Digest = `sha256:${string}`

const pattern = /^sha256:[0-9a-f]{64}$/

export function isDigest(text: string): text is Digest {
  return pattern.test(text)
}

/** Decodes foreign text; throws kind `invalid`. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text))
    throw new EngineError('invalid', `invalid digest ${JSON.stringify(text.slice(0, 100))}`)
  return text
}

/** The 64 hex digits: safe as a file name. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length)
}

export function digestOf(data: string | Uint8Array): Digest {
  return `sha256:${hash('sha256', data)}`
}
