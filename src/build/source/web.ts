import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError, messageOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { Proxies } from '../../registry/index.ts'
import { SeenUrls } from './seen-urls.ts'

/** What fetching from elsewhere needs on this host. */
/** How this host reaches others. */
export interface WebSettings {
  readonly proxies: Proxies
  /** No socket is opened. */
  readonly offline: boolean
}

export interface Web extends WebSettings {
  readonly seen: SeenUrls
  /** For files on their way in; emptied at boot. */
  readonly spool: string
  /** Keys of SSH servers: one that was seen has to stay the same. */
  readonly knownHosts: string
  /** Removes what was fetched. */
  drop(op: Op, path: string): Promise<void>
}

export async function openWeb(
  root: string,
  settings: WebSettings = { proxies: { http: '', https: '', no: '' }, offline: false },
): Promise<Web> {
  const own = join(root, 'source')
  await mkdir(own, { recursive: true, mode: 0o700 })
  return {
    ...settings,
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

/** Throws kind `unavailable` when nothing is to be fetched. */
export function assertOnline(web: Web, what: string): void {
  if (web.offline)
    throw new EngineError('unavailable', `failed to fetch ${what}: the daemon is offline (--offline)`)
}
