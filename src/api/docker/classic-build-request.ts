import { z } from 'zod'
import type { BuildRequest, CacheImport } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Ulimit } from '../../wire/container.ts'
import { decode } from './body.ts'
import type { Query } from './query.ts'

const map = z.record(z.string(), z.string().nullable())
const list = z.array(z.string()).nullable()
const ulimitList = z
  .array(z.object({ Name: z.string(), Soft: z.int(), Hard: z.int() }).strict())
  .nullable() satisfies z.ZodType<Ulimit[] | null>

/** What docker's `POST /build` asks for, but for the context. What cannot be done is refused by name. */
export function classicBuildRequest(query: Query): Omit<BuildRequest, 'context'> {
  refuse(query)
  const target = query.optional('target')
  const networkMode = query.optional('networkmode')
  const platform = query.optional('platform')
  const cgroupParent = query.optional('cgroupparent')
  const addHosts = query.all('extrahosts').filter((entry) => entry !== '')
  const ulimits = decode(ulimitList, query.json('ulimits') ?? null) ?? []
  const shmSize = query.integer('shmsize') ?? 0
  const cacheFrom = decode(list, query.json('cachefrom') ?? null) ?? []
  const resources = resourcesOf(query)
  return {
    dockerfile: query.text('dockerfile') || 'Dockerfile',
    tags: query.all('t').filter((tag) => tag !== ''),
    buildArgs: texts(query, 'buildargs'),
    labels: texts(query, 'labels'),
    noCache: query.flag('nocache'),
    pull: query.flag('pull'),
    ...(target !== undefined && { target }),
    ...(networkMode !== undefined && { networkMode }),
    ...(platform !== undefined && { platform }),
    ...(cgroupParent !== undefined && { cgroupParent }),
    ...(addHosts.length > 0 && { addHosts }),
    ...(ulimits.length > 0 && { ulimits }),
    ...(shmSize > 0 && { shmSize }),
    ...(Object.keys(resources).length > 0 && { resources }),
    ...(cacheFrom.length > 0 && {
      cacheFrom: cacheFrom.map((reference): CacheImport => ({ kind: 'registry', reference })),
    }),
  }
}

/** docker's parameters that nothing here does, with the values that ask for nothing. */
const refused: Readonly<Record<string, { harmless: readonly string[]; why: string }>> = {
  isolation: { harmless: ['default'], why: 'isolation is for Windows' },
  outputs: { harmless: ['[]', 'null'], why: 'other outputs go through BuildKit’s API, or gantry build' },
  securityopt: { harmless: [], why: 'build steps have the default profile' },
  squash: { harmless: ['0', 'false', 'False'], why: 'every step stays a layer' },
}

function refuse(query: Query): void {
  if (query.text('version') === '2')
    throw new EngineError(
      'unsupported',
      'build: version=2 is not supported on this route: BuildKit’s API is served on /grpc and /session',
    )
  for (const [name, { harmless, why }] of Object.entries(refused)) {
    const value = query.text(name)
    if (value !== '' && !harmless.includes(value))
      throw new EngineError('unsupported', `build: ${name}=${value} is not supported: ${why}`)
  }
}

function texts(query: Query, name: string): Record<string, string> {
  const entries = Object.entries(decode(map, query.json(name) ?? {}))
  // null: an argument that the client's environment does not have.
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null))
}

function resourcesOf(query: Query): NonNullable<BuildRequest['resources']> {
  const numbers = {
    Memory: query.integer('memory') ?? 0,
    MemorySwap: query.integer('memswap') ?? 0,
    CpuShares: query.integer('cpushares') ?? 0,
    CpuPeriod: query.integer('cpuperiod') ?? 0,
    CpuQuota: query.integer('cpuquota') ?? 0,
  }
  const sets = { CpusetCpus: query.text('cpusetcpus'), CpusetMems: query.text('cpusetmems') }
  return Object.fromEntries(
    Object.entries({ ...numbers, ...sets }).filter(([, value]) => value !== 0 && value !== ''),
  )
}
