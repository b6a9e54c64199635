import { EngineError } from '../lib/errors.ts'
import type { PullThrough } from './pull-through.ts'
import type { Upstream } from './upstream.ts'

/** Where a repository is copied from. */
export interface Origin {
  readonly upstream: Upstream
  readonly pullThrough: PullThrough
}

/** Whatever would write: what a copy has, its upstream decides. */
export function refuse(o: Origin & { repository: string }): Promise<never> {
  return Promise.reject(
    new EngineError('unsupported', `${o.repository} is a copy of ${o.upstream.title}: it takes no pushes`),
  )
}
