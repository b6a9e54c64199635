/**
 * Compose files that are elsewhere: in git repositories, and published as artifacts of registries (`oci://`). Loading waits for nothing:
 * when it meets one that is not here yet it ends with RemoteNeeded, and begins again once somebody has fetched it.
 */
import { join, isAbsolute } from 'node:path'
import { contextKind, shownUrl } from '../../lib/git-url.ts'
import { ComposeError, type Place } from '../node.ts'

/** Addresses as they are written, and the files here that have what is there. */
export type RemoteFiles = ReadonlyMap<string, string>

export const artifactScheme = 'oci://'

export class RemoteNeeded extends Error {
  readonly address: string
  readonly at: Place

  constructor(address: string, at: Place) {
    super(`${shownUrl(address)} has not been fetched`)
    this.name = 'RemoteNeeded'
    this.address = address
    this.at = at
  }
}

export function isRemoteFile(path: string): boolean {
  return path.startsWith(artifactScheme) || contextKind(path) === 'git'
}

/** The file here that a path means, from a folder. Throws RemoteNeeded, or ComposeError for what is nowhere to be fetched. */
export function locate(path: string, o: { folder: string; remotes: RemoteFiles; at: Place }): string {
  if (isRemoteFile(path)) {
    const found = o.remotes.get(path)
    if (found === undefined) throw new RemoteNeeded(path, o.at)
    return found
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw new ComposeError(
      o.at,
      `${shownUrl(path)}: remote files are git repositories (https://….git#REF:PATH) or published applications (oci://…)`,
    )
  return isAbsolute(path) ? path : join(o.folder, path)
}
