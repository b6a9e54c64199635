import { isDigest, type Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { shortId } from '../lib/id.ts'
import { canonical, familiar, parseReference, repositoryOf, withDefaultTag } from '../lib/reference.ts'
import type { Names } from './names.ts'

/** What a person's reference leads to; `key` is the canonical name under which it was found, undefined when it was an id. */
export interface Resolved {
  readonly id: Digest
  readonly key: string | undefined
}

/**
 * A name (default tag added), name@digest, id, or the unique beginning of an id. Throws kind `not-found` with docker's text,
 * `invalid` for what is no reference or an ambiguous id.
 */
export function resolve(
  ref: string,
  o: { names: Names; ids: { has(id: Digest): boolean; keys(): Iterable<Digest> } },
): Resolved {
  const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(ref)?.[1]
  // A whole id, or one with its algorithm, cannot be a name.
  const idOnly = hex !== undefined && (ref.startsWith('sha256:') || hex.length === 64)
  if (idOnly) {
    const id = byPrefix(hex, o.ids.keys())
    if (id) return { id, key: undefined }
    throw new EngineError('not-found', `No such image: ${ref}`)
  }
  const reference = parseReference(ref)
  const key =
    reference.digest === undefined ? canonical(reference) : `${repositoryOf(reference)}@${reference.digest}`
  const named = o.names.idOf(key)
  if (named) return { id: named, key }
  // Docker: name@id finds the image too.
  if (reference.digest !== undefined && isDigest(reference.digest) && o.ids.has(reference.digest))
    return { id: reference.digest, key: undefined }
  const id = hex === undefined ? undefined : byPrefix(hex, o.ids.keys())
  if (id) return { id, key: undefined }
  throw new EngineError('not-found', `No such image: ${familiar(withDefaultTag(reference))}`)
}

function byPrefix(hex: string, ids: Iterable<Digest>): Digest | undefined {
  const found = [...ids].filter((id) => id.startsWith(`sha256:${hex}`))
  if (found.length > 1)
    throw new EngineError(
      'invalid',
      `image id ${hex} is ambiguous: it is the beginning of ${found.map(shortId).join(', ')}`,
    )
  return found[0]
}
