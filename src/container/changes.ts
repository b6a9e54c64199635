import type { Op } from '../lib/op.ts'
import type { Change } from '../snapshot/index.ts'
import { networkFiles } from './commit.ts'
import type { Container } from './container.ts'
import type { Host } from './host.ts'

/** What the container changed of its image; the mount points that the engine made are not its doing. */
export async function changes(op: Op, host: Host, c: Container): Promise<Change[]> {
  return withoutMountPoints(await host.snapshots.changes(op, c.id))
}

/** A directory that has changed for a mount point's sake alone has not. */
export function withoutMountPoints(all: readonly Change[]): Change[] {
  const own = all.filter(({ path, kind }) => kind !== 'added' || !networkFiles.includes(path))
  if (own.length === all.length) return own
  const below = own.some(({ path }) => path.startsWith('/etc/'))
  return own.filter(({ path, kind }) => below || path !== '/etc' || kind !== 'modified')
}
