/** Routes of Gantry's own for volumes: clone, rename, archives, and a prune with a plan and a trash. */
import { z } from 'zod'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { TrashedVolumeInfo, VolumePrunePlan, VolumePruneReport } from '../../wire/system.ts'
import { decode, readJson } from './body.ts'
import { Filters } from './filters.ts'
import { sendJson, sendStream } from './respond.ts'
import type { Call, Route } from './route.ts'
import { encodeVolume, prunable } from './volumes.ts'

type Deps = Pick<
  Engine,
  'volumes' | 'volumeTrash' | 'planVolumePrune' | 'pruneListedVolumes' | 'exportVolume' | 'importVolume'
>

export function gantryVolumeRoutes(engine: Deps): Route[] {
  const { volumes } = engine
  const nameOf = (call: Call) => call.params['name'] ?? ''
  const to = (call: Call) => {
    const name = call.query.text('to')
    if (name === '') throw new EngineError('invalid', 'the parameter "to" must name the new volume')
    return name
  }
  return [
    {
      method: 'POST',
      path: '/gantry/volumes/:name/clone',
      handler: async (call) =>
        sendJson(call.response, encodeVolume(await volumes.clone(call.op, nameOf(call), to(call))), 201),
    },
    {
      method: 'POST',
      path: '/gantry/volumes/:name/rename',
      handler: async (call) =>
        sendJson(call.response, encodeVolume(await volumes.rename(call.committed, nameOf(call), to(call)))),
    },
    {
      method: 'GET',
      path: '/gantry/volumes/:name/export',
      handler: (call) =>
        engine.exportVolume(call.op, nameOf(call), (tar) => sendStream(call, tar, 'application/x-tar')),
    },
    {
      method: 'POST',
      path: '/gantry/volumes/:name/import',
      handler: async (call) => {
        const made = await engine.importVolume(call.op, {
          name: nameOf(call),
          archive: call.request,
          force: call.query.flag('force'),
        })
        sendJson(call.response, encodeVolume(made), 201)
      },
    },
    {
      method: 'GET',
      path: '/gantry/volumes/prune',
      handler: async (call) => {
        const plan = await engine.planVolumePrune(prunable(call))
        const answer: VolumePrunePlan = {
          Volumes: plan.map(({ volume, bytes }) => ({
            Name: volume.name,
            CreatedAt: volume.createdAt,
            Anonymous: volume.anonymous,
            Size: bytes,
          })),
        }
        sendJson(call.response, answer)
      },
    },
    { method: 'POST', path: '/gantry/volumes/prune', handler: (call) => prune(engine, call) },
    { method: 'GET', path: '/gantry/volumes/trash', handler: (call) => listTrash(engine, call) },
    {
      method: 'DELETE',
      path: '/gantry/volumes/trash',
      handler: async (call) => {
        const gone = await volumes.emptyTrash(call.query.optional('id'))
        sendJson(call.response, { VolumesDeleted: gone.map(({ name }) => name) })
      },
    },
    {
      method: 'POST',
      path: '/gantry/volumes/trash/:name/restore',
      handler: async (call) => {
        const as = call.query.optional('to')
        const restored = await volumes.restore(call.committed, nameOf(call), as === undefined ? {} : { as })
        sendJson(call.response, encodeVolume(restored), 201)
      },
    },
  ]
}

const pruneBody = z.strictObject({
  Volumes: z.array(z.strictObject({ Name: z.string(), CreatedAt: z.string() })),
  KeepSeconds: z
    .number()
    .nonnegative()
    .max(10 * 365 * 86_400),
})

async function prune(engine: Deps, call: Call): Promise<void> {
  const { Volumes, KeepSeconds } = decode(pruneBody, await readJson(call.request))
  const list = Volumes.map(({ Name, CreatedAt }) => ({ name: Name, createdAt: CreatedAt }))
  const outcome = await engine.pruneListedVolumes(call.committed, { list, keep: KeepSeconds * 1000 })
  const report: VolumePruneReport = {
    VolumesDeleted: outcome.deleted,
    VolumesKept: outcome.kept,
    VolumesSpared: outcome.spared.map(({ name, reason }) => ({ Name: name, Reason: reason })),
    SpaceReclaimed: outcome.bytes,
    SpaceKept: outcome.keptBytes,
  }
  sendJson(call.response, report)
}

async function listTrash(engine: Deps, call: Call): Promise<void> {
  Filters.of(call.query, [])
  const list: TrashedVolumeInfo[] = (await engine.volumeTrash()).map(({ bytes, ...trashed }) => ({
    ID: trashed.id,
    Name: trashed.name,
    CreatedAt: trashed.createdAt,
    PrunedAt: trashed.since,
    ExpiresAt: trashed.until,
    Size: bytes,
  }))
  sendJson(call.response, { Volumes: list })
}
