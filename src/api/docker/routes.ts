import type { Engine } from '../../engine/index.ts'
import { archiveRoutes } from './archive.ts'
import { attachRoutes } from './attach.ts'
import { buildCacheRoutes } from './build-cache.ts'
import { buildRoutes } from './build.ts'
import { buildkitRoutes } from './buildkit.ts'
import { commitRoutes } from './commit.ts'
import { containerRoutes } from './containers.ts'
import { execRoutes } from './exec.ts'
import { gantryBuildsRoutes } from './gantry-builds.ts'
import { gantryCheckRoutes } from './gantry-check.ts'
import { gantryImageRoutes } from './gantry-images.ts'
import { gantryManifestRoutes } from './gantry-manifests.ts'
import { gantryHandOverRoutes } from './gantry-hand-over.ts'
import { gantryPortRoutes } from './gantry-ports.ts'
import { gantryVolumeRoutes } from './gantry-volumes.ts'
import { imageRoutes } from './images.ts'
import { networkRoutes } from './networks.ts'
import { registryRoutes } from './registry.ts'
import type { Method, Route } from './route.ts'
import { statsRoutes } from './stats.ts'
import { systemRoutes } from './system.ts'
import { updateRoutes } from './update.ts'
import { volumeRoutes } from './volumes.ts'

/** Every route of the Docker Engine API, served or refused by name. docs/compat.md is held to this table. */
export function dockerRoutes(engine: Engine): Route[] {
  return [
    ...systemRoutes(engine),
    ...containerRoutes(engine),
    ...attachRoutes(engine),
    ...archiveRoutes(engine),
    ...commitRoutes(engine),
    ...updateRoutes(engine),
    ...statsRoutes(engine),
    ...execRoutes(engine),
    ...imageRoutes(engine),
    ...registryRoutes(engine),
    ...gantryManifestRoutes(engine),
    ...buildRoutes(engine),
    ...buildkitRoutes(engine),
    ...buildCacheRoutes(engine),
    ...volumeRoutes(engine),
    ...gantryBuildsRoutes(engine),
    ...gantryCheckRoutes(engine),
    ...gantryImageRoutes(engine),
    ...gantryVolumeRoutes(engine),
    ...gantryPortRoutes(engine),
    ...gantryHandOverRoutes(engine),
    ...networkRoutes(engine),
    ...refusals,
  ]
}

function refuse(refusal: string, ...routes: readonly `${Method} /${string}`[]): Route[] {
  return routes.map((text) => {
    const [method, path] = text.split(' ') as [Method, string]
    return { method, path, refusal }
  })
}

const refusals: readonly Route[] = [
  ...refuse('cluster volumes are not supported', 'PUT /volumes/:name'),
  ...refuse(
    'plugins are not supported',
    'GET /plugins',
    'GET /plugins/privileges',
    'POST /plugins/pull',
    'GET /plugins/:name/json',
    'DELETE /plugins/:name',
    'POST /plugins/:name/enable',
    'POST /plugins/:name/disable',
    'POST /plugins/:name/upgrade',
    'POST /plugins/create',
    'POST /plugins/:name/push',
    'POST /plugins/:name/set',
  ),
  ...refuse(
    'Gantry has no swarm mode',
    'GET /nodes',
    'GET /nodes/:id',
    'DELETE /nodes/:id',
    'POST /nodes/:id/update',
    'GET /swarm',
    'POST /swarm/init',
    'POST /swarm/join',
    'POST /swarm/leave',
    'POST /swarm/update',
    'GET /swarm/unlockkey',
    'POST /swarm/unlock',
    'GET /services',
    'POST /services/create',
    'GET /services/:id',
    'DELETE /services/:id',
    'POST /services/:id/update',
    'GET /services/:id/logs',
    'GET /tasks',
    'GET /tasks/:id',
    'GET /tasks/:id/logs',
    'GET /secrets',
    'POST /secrets/create',
    'GET /secrets/:id',
    'DELETE /secrets/:id',
    'POST /secrets/:id/update',
    'GET /configs',
    'POST /configs/create',
    'GET /configs/:id',
    'DELETE /configs/:id',
    'POST /configs/:id/update',
  ),
]
