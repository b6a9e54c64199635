import { createHash } from 'node:crypto'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { shortId } from '../lib/id.ts'
import { familiar, parseReference, repositoryOf } from '../lib/reference.ts'
import type { ImageDeleteItem } from '../wire/image.ts'

export interface ImageUser {
  readonly id: string
  readonly name: string
  readonly running: boolean
}

/** What a removal will do, decided by docker's rules before anything is touched. */
export interface RemovalPlan {
  /** Canonical names to take away. */
  readonly untag: readonly string[]
  /** The image itself goes too. */
  readonly deleteImage: boolean
}

/**
 * Docker's rules for `rmi` (daemon/images/image_delete.go), with its texts: a name is taken away, and the image with
 * it when it was the last; an id takes all names when they are of one repository. Containers that use the image
 * hold it: stopped ones until forced, running ones for good.
 */
export function planRemoval(o: {
  /** As the person wrote it; `key` is its canonical name, undefined when it was an id. */
  ref: string
  key: string | undefined
  id: Digest
  /** All canonical names of the image, with tag or digest. */
  names: readonly string[]
  force: boolean
  user: ImageUser | undefined
}): RemovalPlan {
  const single = isSingle(o.names)
  if (o.key === undefined) {
    assertRemovable(o)
    return { untag: o.names, deleteImage: true }
  }
  const { key } = o
  if (!o.force && single && o.user)
    throw new EngineError(
      'conflict',
      `conflict: unable to remove repository reference ${JSON.stringify(o.ref)} (must force) - container ${shortId(o.user.id)} is using its referenced image ${shortId(o.id)}`,
    )
  const untag = [key]
  let rest = o.names.filter((name) => name !== key)
  const repository = repositoryOf(parseReference(key))
  const inRepository = (name: string) => repositoryOf(parseReference(name)) === repository
  // A digest alone keeps no repository alive once its last tag is gone.
  if (!key.includes('@') && !rest.some((name) => !name.includes('@') && inRepository(name))) {
    untag.push(...rest.filter(inRepository))
    rest = rest.filter((name) => !inRepository(name))
  }
  // Docker: forced while a container runs on it, the image stays, without a name.
  return { untag, deleteImage: rest.length === 0 && !o.user?.running }
}

/** Throws kind `conflict` for an image that may not go with all its names. */
export function assertRemovable(o: {
  id: Digest
  names: readonly string[]
  force: boolean
  user: ImageUser | undefined
}): void {
  if (o.user?.running)
    throw conflict(o.id, true, `image is being used by running container ${shortId(o.user.id)}`)
  if (!isSingle(o.names) && !o.force)
    throw conflict(o.id, false, 'image is referenced in multiple repositories')
  if (o.user && !o.force)
    throw conflict(o.id, false, `image is being used by stopped container ${shortId(o.user.id)}`)
}

function conflict(id: Digest, hard: boolean, why: string): EngineError {
  const how = hard ? 'cannot be forced' : 'must be forced'
  return new EngineError('conflict', `conflict: unable to delete ${shortId(id)} (${how}) - ${why}`)
}

/** Docker: at most one tag, and any digests are of the same repository. */
function isSingle(names: readonly string[]): boolean {
  if (names.length <= 1) return true
  const tags = names.filter((name) => !name.includes('@'))
  if (tags.length > 1) return false
  return new Set(names.map((name) => repositoryOf(parseReference(name)))).size === 1
}

export const untagged = (key: string): ImageDeleteItem => ({ Untagged: familiar(parseReference(key)) })

/** Docker names a stack of layers by a chain of digests, and reports removed layers by it, top first. */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = []
  for (const diffId of diffIds) {
    const below = chain.at(-1)
    chain.push(
      below === undefined
        ? diffId
        : `sha256:${createHash('sha256').update(`${below} ${diffId}`).digest('hex')}`,
    )
  }
  return chain
}
