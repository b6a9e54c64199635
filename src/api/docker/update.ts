/** `POST /containers/:id/update`: new limits and another restart policy. */
import { z } from 'zod'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { ResourceUpdate } from '../../wire/container.ts'
import { decode, readJson } from './body.ts'
import { sendJson } from './respond.ts'
import type { Call, Route } from './route.ts'
import { hostConfigShape } from './schema.ts'
import { isDefault, refuseUnsupported } from './unsupported.ts'

type Deps = Pick<Engine, 'containers' | 'runtime'>

/** What docker changes of a container that exists. */
const changeable = z.object(hostConfigShape).pick({
  BlkioWeight: true,
  CpuShares: true,
  NanoCpus: true,
  CpuPeriod: true,
  CpuQuota: true,
  CpuRealtimePeriod: true,
  CpuRealtimeRuntime: true,
  CpusetCpus: true,
  CpusetMems: true,
  Memory: true,
  MemorySwap: true,
  MemoryReservation: true,
  PidsLimit: true,
  RestartPolicy: true,
})

const updateBody: z.ZodType<ResourceUpdate> = z.preprocess(
  (value) => (typeof value === 'object' && value !== null ? value : {}),
  changeable,
)

export function updateRoutes({ containers, runtime }: Deps): Route[] {
  const update = async (call: Call) => {
    const change = wanted(await readJson(call.request))
    refuseUnsupported({
      config: { Image: '' },
      hostConfig: change,
      endpoints: {},
      runtimes: new Set(runtime.known.keys()),
    })
    await containers.update(call.committed, call.params['id'] ?? '', change)
    sendJson(call.response, { Warnings: [] })
  }
  return [{ method: 'POST', path: '/containers/:id/update', handler: update }]
}

/** Docker: zero is nothing said; of the number of processes it means, like any negative one, that there is no limit. */
export function wanted(raw: unknown): ResourceUpdate {
  const given = Object.entries(raw ?? {}).filter(
    ([name, value]) => !isDefault(value) || (name === 'PidsLimit' && value === 0),
  )
  for (const [name] of given)
    if (!Object.hasOwn(changeable.shape, name))
      throw new EngineError(
        'invalid',
        `${name} cannot be updated: it is set when a container is created (only limits and the restart policy can be changed)`,
      )
  const change = decode(updateBody, Object.fromEntries(given))
  const { PidsLimit: limit } = change
  return { ...change, ...(limit != null && limit <= 0 && { PidsLimit: 0 }) }
}
