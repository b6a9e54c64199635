import type { Client } from '../../client/index.ts'
import type { Limit } from '../limit.ts'
import type { Report } from '../report.ts'

/** What everything that changes containers is given. */
export interface Work {
  readonly client: Client
  readonly report: Report
  /** How many calls of the engine may go on at once. */
  readonly limit: Limit
  /** Seconds that containers have to stop (`--timeout`); else each has its own. */
  readonly timeout?: number | undefined
  /** Variables of proxies, beneath those of the services. */
  readonly proxies?: Readonly<Record<string, string>>
  /** No new work begins once it is aborted. */
  readonly signal?: AbortSignal | undefined
}
