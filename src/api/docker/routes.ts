import type { Engine } from '../../engine/index.ts'
import { archiveRoutes } from './archive.ts'
import { absentRoutes } from './absent.ts'
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
import type { Route } from './route.ts'
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
    ...absentRoutes,
  ]
}
