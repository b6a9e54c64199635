/**
 * The protocols that the engine is served by. `docker/` is the Docker Engine API: handlers decode, make one call of the engine
 * and encode; they know HTTP, and nothing below them does. A failure has its status from its kind; once a stream has begun,
 * failures go into the stream. A client that vanishes ends reads and streams, never a committed change.
 */
import type { Engine } from '../engine/index.ts'
import { productVersion } from '../engine/index.ts'
import type { Logger } from '../lib/log.ts'
import { dockerRoutes } from './docker/routes.ts'
import { ApiServer } from './docker/server.ts'

export { dockerRoutes } from './docker/routes.ts'
export { configRules, hostConfigRules } from './docker/unsupported.ts'
export type { Route } from './docker/route.ts'
export type { ApiServer, TlsIdentity } from './docker/server.ts'

/** The Docker Engine API over an engine; `httpServer()` makes what listens. */
export function serveDocker(engine: Engine, log: Logger): ApiServer {
  return new ApiServer(dockerRoutes(engine), { log, version: productVersion })
}
