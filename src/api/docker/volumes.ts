import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Volume } from '../../volume/index.ts'
import type { VolumeInfo } from '../../wire/system.ts'
import { decode, readJson } from './body.ts'
import { Filters, matchesName } from './filters.ts'
import { sendEmpty, sendJson, unsupported } from './respond.ts'
import type { Call, Route } from './route.ts'
import { volumeBody } from './schema.ts'
import { sortedByKey } from './sorted-by-key.ts'

type Deps = Pick<Engine, 'volumes' | 'volumeUsers' | 'pruneVolumes'>

export function volumeRoutes(engine: Deps): Route[] {
  const { volumes } = engine
  const nameOf = (call: Call) => call.params['name'] ?? ''
  return [
    { method: 'GET', path: '/volumes', handler: (call) => list(engine, call) },
    { method: 'POST', path: '/volumes/create', handler: (call) => create(engine, call) },
    {
      method: 'GET',
      path: '/volumes/:name',
      handler: (call) => sendJson(call.response, encodeVolume(volumes.find(nameOf(call)))),
    },
    {
      method: 'DELETE',
      path: '/volumes/:name',
      handler: async (call) => {
        await volumes.remove(call.committed, nameOf(call), {
          force: call.query.flag('force'),
        })
        sendEmpty(call.response)
      },
    },
    { method: 'POST', path: '/volumes/prune', handler: (call) => prune(engine, call) },
  ]
}

export function encodeVolume(volume: Volume): VolumeInfo {
  return {
    CreatedAt: volume.createdAt,
    Driver: volume.driver,
    Labels: Object.keys(volume.labels).length > 0 ? sortedByKey(volume.labels) : null,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(volume.options).length > 0 ? { ...volume.options } : null,
    Scope: 'local',
  }
}

function list(engine: Deps, call: Call): void {
  const filters = Filters.of(call.query, ['dangling', 'driver', 'label', 'label!', 'name'])
  const dangling = filters.flag('dangling')
  const selected = engine.volumes
    .list()
    .filter(
      (volume) =>
        filters.any('name', (value) => matchesName(volume.name, value)) &&
        filters.any('driver', (value) => volume.driver === value) &&
        filters.labels(volume.labels) &&
        filters.withoutLabels(volume.labels) &&
        (dangling === undefined || dangling === (engine.volumeUsers(volume.name).length === 0)),
    )
  sendJson(call.response, { Volumes: selected.map(encodeVolume), Warnings: null })
}

async function create(engine: Deps, call: Call): Promise<void> {
  const body = decode(volumeBody, (await readJson(call.request)) ?? {})
  if (body.ClusterVolumeSpec !== undefined) throw unsupported('a cluster volume')
  const volume = await engine.volumes.create(call.committed, {
    ...(body.Name ? { name: body.Name } : {}),
    ...(body.Driver ? { driver: body.Driver } : {}),
    ...(body.Labels ? { labels: body.Labels } : {}),
    ...(body.DriverOpts ? { options: body.DriverOpts } : {}),
  })
  sendJson(call.response, encodeVolume(volume), 201)
}

/** Which volumes the filters of a prune mean. */
export function prunable(call: Call): (volume: Volume) => boolean {
  const filters = Filters.of(call.query, ['all', 'label', 'label!', 'until'])
  if (filters.has('until'))
    throw new EngineError('invalid', `The "until" filter is not supported with volumes`)
  // Docker: since 1.42 only nameless volumes go unless all=true.
  const all = (filters.flag('all') ?? false) || call.minor < 42
  return (volume) =>
    (all || volume.anonymous) && filters.labels(volume.labels) && filters.withoutLabels(volume.labels)
}

async function prune(engine: Deps, call: Call): Promise<void> {
  const { removed, bytes } = await engine.pruneVolumes(call.committed, prunable(call))
  sendJson(call.response, { VolumesDeleted: removed, SpaceReclaimed: bytes })
}
