import { AnswerError } from './errors.ts'

/** What a path means ("Endpoints"). */
export type Target =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: string }
  | { readonly kind: 'uploads'; readonly name: string }
  | { readonly kind: 'upload'; readonly name: string; readonly id: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: string }

/** Longer ones mean nothing: a name has 255 characters, a digest 135, and every one of them may be escaped. */
const maxPath = 2048

/** Undefined for a path that is none of the API's. Names and references are decoded, not checked. Throws for an escape that is none. */
export function parseTarget(path: string): Target | undefined {
  if (path.length > maxPath) return undefined
  if (path === '/v2/' || path === '/v2') return { kind: 'base' }
  if (!path.startsWith('/v2/')) return undefined
  const segments = path.slice('/v2/'.length).split('/').map(decode)
  if (segments.length === 1 && segments[0] === '_catalog') return { kind: 'catalog' }
  // Names have slashes, so paths are read from their end.
  const [third, second = '', last = ''] = segments.slice(-3)
  const nameBut = (count: number) => segments.slice(0, -count).join('/')
  if (third === 'blobs' && second === 'uploads')
    return last === ''
      ? { kind: 'uploads', name: nameBut(3) }
      : { kind: 'upload', name: nameBut(3), id: last }
  if (second === 'blobs' && last === 'uploads') return { kind: 'uploads', name: nameBut(2) }
  if (second === 'blobs') return { kind: 'blob', name: nameBut(2), digest: last }
  if (second === 'manifests') return { kind: 'manifest', name: nameBut(2), reference: last }
  if (second === 'referrers') return { kind: 'referrers', name: nameBut(2), digest: last }
  if (second === 'tags' && last === 'list') return { kind: 'tags', name: nameBut(2) }
  return undefined
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new AnswerError({
      status: 400,
      errors: [{ code: 'NAME_INVALID', message: 'the path has an escape that is none' }],
    })
  }
}
