/** `GET /containers/json`: which containers, by docker's filters, and what of them is shown. */
import type { Container } from '../../container/index.ts'
import { endOf, isUp } from '../../container/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError, kindOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { encodeSummary, endpointMap, type NetworkFacts } from './encode-container.ts'
import { Filters, matchesName } from './filters.ts'
import { sendJson } from './respond.ts'
import type { Call } from './route.ts'

type Deps = Pick<Engine, 'containers' | 'images' | 'networks' | 'snapshots'>

const listFilters = [
  'ancestor',
  'before',
  'expose',
  'exited',
  'health',
  'id',
  'isolation',
  'is-task',
  'label',
  'label!',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
]

export async function listContainers(engine: Deps, call: Call): Promise<void> {
  const { query } = call
  const filters = Filters.of(query, listFilters)
  checkFilters(filters)
  const limit = query.integer('limit') ?? -1
  const wide = query.flag('all') || limit > 0 || filters.has('status') || filters.has('exited')
  const everything = engine.containers.list()
  const facts = networkFacts(engine)
  const imageName = imageNames(engine)
  const selected = everything
    .filter((c) => (wide || isUp(c.state)) && passes(engine, c, { filters, everything, facts }))
    .slice(0, limit > 0 ? limit : undefined)
  const rows = selected.map(async (c) =>
    encodeSummary(c, {
      ...facts(c),
      imageName: imageName(c),
      sizes: query.flag('size') ? await sizes(engine, call.op, c) : undefined,
    }),
  )
  sendJson(call.response, await Promise.all(rows))
}

function passes(
  engine: Deps,
  c: Container,
  o: { filters: Filters; everything: readonly Container[]; facts: (c: Container) => NetworkFacts },
): boolean {
  const { filters } = o
  const ports = (wanted: string, keys: readonly string[]) => {
    const [, from = '', to = from, proto = 'tcp'] = portPattern.exec(wanted) ?? []
    return keys.some((key) => {
      const [port, ofPort = 'tcp'] = key.split('/')
      return Number(port) >= Number(from) && Number(port) <= Number(to) && ofPort === proto
    })
  }
  const published = () =>
    (engine.containers.sandbox(c)?.ports ?? []).flatMap((port) => [
      `${port.hostPort}/${port.proto}`,
      `${port.containerPort}/${port.proto}`,
    ])
  const position = (ref: string) => o.everything.indexOf(engine.containers.find(ref))
  const index = o.everything.indexOf(c)
  return (
    filters.any('id', (value) => c.id.startsWith(value)) &&
    filters.any('name', (value) => matchesName(c.name, value) || matchesName(`/${c.name}`, value)) &&
    filters.any('status', (value) => c.status === checkStatus(value)) &&
    filters.any(
      'exited',
      (value) => c.state.status === 'exited' && String(endOf(c.state)?.exitCode) === value,
    ) &&
    filters.labels(c.config.Labels) &&
    filters.withoutLabels(c.config.Labels) &&
    filters.any('ancestor', (value) => isAncestor(engine, c, value)) &&
    filters.any('network', (value) =>
      Object.entries(endpointMap(c, o.facts(c))).some(
        ([name, { NetworkID: network = '' }]) =>
          name === value || (value !== '' && network.startsWith(value)),
      ),
    ) &&
    filters.any('volume', (value) =>
      c.mounts.some((mount) => mount.Name === value || mount.Destination === value),
    ) &&
    filters.any('expose', (value) => ports(value, Object.keys(c.config.ExposedPorts ?? {}))) &&
    filters.any('publish', (value) => ports(value, published())) &&
    filters.any('health', (value) => (c.record.health?.status ?? 'none') === value) &&
    filters.any('isolation', (value) => value === 'default') &&
    (filters.flag('is-task') ?? false) === false &&
    // Newest first: older ones stand behind.
    filters.any('before', (value) => index > position(value)) &&
    filters.any('since', (value) => index < position(value))
  )
}

const portPattern = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/

/** Values that docker refuses whatever containers there are. */
function checkFilters(filters: Filters): void {
  for (const value of filters.get('exited'))
    if (!/^[-+]?\d+$/.test(value))
      throw new EngineError(
        'invalid',
        `invalid filter 'exited=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
      )
  for (const key of ['publish', 'expose'])
    for (const value of filters.get(key))
      if (!portPattern.test(value))
        throw new EngineError(
          'invalid',
          `error while looking up for ${key} ${value}: strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`,
        )
  for (const value of filters.get('health'))
    if (!['starting', 'healthy', 'unhealthy', 'none'].includes(value))
      throw new EngineError('invalid', `unrecognized filter value for health: ${value}`)
}

function checkStatus(text: string): string {
  if (!['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead'].includes(text))
    throw new EngineError('invalid', `invalid filter 'status=${text}'`)
  return text
}

/** The image itself, or one whose layers it begins with. */
function isAncestor(engine: Deps, c: Container, ref: string): boolean {
  try {
    const image = engine.images.find(ref)
    if (image.id === c.imageId) return true
    return image.layers.length > 0 && image.layers.every((layer, index) => c.layers[index] === layer)
  } catch (error) {
    if (kindOf(error) !== 'not-found' && kindOf(error) !== 'invalid') throw error
    return false
  }
}

/**
 * The name a container was made by while that still means the same image; else the id. Many containers have the same:
 * each name is looked up once.
 */
function imageNames(engine: Deps): (c: Container) => string {
  const ids = new Map<string, string | undefined>()
  return ({ config: { Image: name }, imageId }) => {
    if (!ids.has(name)) ids.set(name, imageIdOf(engine, name))
    return ids.get(name) === imageId ? name : imageId
  }
}

function imageIdOf(engine: Deps, name: string): string | undefined {
  try {
    return engine.images.find(name).id
  } catch (error) {
    if (kindOf(error) !== 'not-found' && kindOf(error) !== 'invalid') throw error
    return undefined
  }
}

/** Networks are looked at once for all containers. */
export function networkFacts(engine: Deps): (c: Container) => NetworkFacts {
  const networkIds = new Map(engine.networks.list().map((network) => [network.name, network.id]))
  return (c) => ({ sandbox: engine.containers.sandbox(c), networkIds })
}

export async function sizes(engine: Deps, op: Op, c: Container): Promise<{ rw: number; rootFs: number }> {
  const rw = await engine.containers.size(op, c)
  const layers = c.layers.reduce((sum, diffId) => sum + (engine.snapshots.layer(diffId)?.size ?? 0), 0)
  return { rw, rootFs: layers + rw }
}
