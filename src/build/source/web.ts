import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { SeenUrls } from './seen-urls.ts'

/** What fetching from elsewhere needs on this host. */
export interface Web {
  readonly seen: SeenUrls
  /** For files on their way in; emptied at boot. */
  readonly spool: string
  /** Keys of SSH servers: one that was seen has to stay the same. */
  readonly knownHosts: string
  /** Removes what was fetched. */
  drop(op: Op, path: string): Promise<void>
}

export async function openWeb(root: string): Promise<Web> {
  const own = join(root, 'source')
  await mkdir(own, { recursive: true, mode: 0o700 })
  return {
    seen: await SeenUrls.open(join(own, 'urls.json')),
    spool: join(root, 'spool'),
    knownHosts: join(own, 'known_hosts'),
    drop: async (op, path) => {
      try {
        await rm(path, { recursive: true, force: true })
      } catch (error) {
        op.log.warn('removing what a build fetched failed', { path, error: messageOf(error) })
      }
    },
  }
}
