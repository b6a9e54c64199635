import type { Container } from '../../container/index.ts'
import { endOf, isUp } from '../../container/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError, kindOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type {
  ContainerCreateResponse,
  HostConfig,
  NetworkingConfig,
  WaitResponse,
} from '../../wire/container.ts'
import { decode, readJson } from './body.ts'
import { callerOf } from './caller.ts'
import { encodeInspect, encodeSummary, endpointMap, type NetworkFacts } from './encode-container.ts'
import { Filters, matchesName, parseTime } from './filters.ts'
import { multiplexedStream, rawStream } from './hijack.ts'
import { sendEmpty, sendJson, sendStream } from './respond.ts'
import type { Call, Route } from './route.ts'
import { createBody } from './schema.ts'
import { isDefault, refuseUnsupported } from './unsupported.ts'

type Deps = Pick<Engine, 'containers' | 'images' | 'networks' | 'runtime' | 'snapshots' | 'pruneContainers'>

export function containerRoutes(engine: Deps): Route[] {
  const { containers } = engine
  const id = (call: { params: Readonly<Record<string, string>> }) => call.params['id'] ?? ''
  /** A route that changes state and answers nothing. */
  const change = (work: (op: Op, ref: string, call: Call) => Promise<void>) => async (call: Call) => {
    await work(call.committed, id(call), call)
    sendEmpty(call.response)
  }
  return [
    { method: 'GET', path: '/containers/json', handler: (call) => list(engine, call) },
    { method: 'POST', path: '/containers/create', handler: (call) => create(engine, call) },
    { method: 'POST', path: '/containers/prune', handler: (call) => prune(engine, call) },
    { method: 'GET', path: '/containers/:id/json', handler: (call) => inspect(engine, call) },
    // A hung-up client cancels a start until its commit point.
    {
      method: 'POST',
      path: '/containers/:id/start',
      handler: async (call) => {
        await containers.start(call.op, id(call))
        sendEmpty(call.response)
      },
    },
    {
      method: 'POST',
      path: '/containers/:id/stop',
      handler: change((op, ref, { query }) =>
        containers.stop(op, ref, { signal: query.optional('signal'), timeout: query.integer('t') }),
      ),
    },
    {
      method: 'POST',
      path: '/containers/:id/restart',
      handler: change((op, ref, { query }) =>
        containers.restart(op, ref, { signal: query.optional('signal'), timeout: query.integer('t') }),
      ),
    },
    {
      method: 'POST',
      path: '/containers/:id/kill',
      handler: change((op, ref, { query }) => containers.kill(op, ref, { signal: query.text('signal') })),
    },
    {
      method: 'POST',
      path: '/containers/:id/pause',
      handler: change((op, ref) => containers.pause(op, ref)),
    },
    {
      method: 'POST',
      path: '/containers/:id/unpause',
      handler: change((op, ref) => containers.unpause(op, ref)),
    },
    {
      method: 'POST',
      path: '/containers/:id/rename',
      handler: change(async (op, ref, { query }) => {
        const name = query.text('name')
        if (name === '') throw new EngineError('invalid', 'Neither old nor new names may be empty')
        await containers.rename(op, ref, name)
      }),
    },
    {
      method: 'DELETE',
      path: '/containers/:id',
      handler: change(async (op, ref, { query }) => {
        if (query.flag('link'))
          throw new EngineError('unsupported', 'removing a link is not supported: it goes with its container')
        await containers.remove(op, ref, { force: query.flag('force'), volumes: query.flag('v') })
      }),
    },
    { method: 'POST', path: '/containers/:id/wait', handler: (call) => wait(engine, call) },
    { method: 'POST', path: '/containers/:id/resize', handler: (call) => resize(engine, call) },
    {
      method: 'GET',
      path: '/containers/:id/top',
      handler: async (call) =>
        sendJson(call.response, await containers.top(call.op, id(call), call.query.text('ps_args') || '-ef')),
    },
    { method: 'GET', path: '/containers/:id/logs', handler: (call) => logs(engine, call) },

    { method: 'GET', path: '/containers/:id/changes', handler: (call) => changes(engine, call) },
    {
      method: 'GET',
      path: '/containers/:id/export',
      handler: (call) => {
        const c = containers.find(id(call))
        return sendStream(call, engine.snapshots.exportTar(call.op, c.id), 'application/x-tar')
      },
    },
  ]
}

async function create(engine: Deps, call: Call): Promise<void> {
  const raw = await readJson(call.request)
  const {
    HostConfig: hostConfig = {},
    NetworkingConfig: networking,
    ...config
  } = decode(createBody, raw ?? {})
  const endpoints = networking?.EndpointsConfig ?? {}
  const rawHostConfig = (raw as { HostConfig?: unknown } | undefined)?.HostConfig ?? {}
  refuseUnsupported({
    config,
    hostConfig: rawHostConfig,
    endpoints,
    runtimes: new Set(engine.runtime.known.keys()),
  })
  const { id, warnings } = await engine.containers.create(call.op, {
    name: call.query.optional('name'),
    platform: call.query.text('platform') || undefined,
    config,
    hostConfig: normalise(hostConfig),
    networking: { EndpointsConfig: underOwnNames(endpoints) },
    caller: callerOf(call),
  })
  const answer: ContainerCreateResponse = { Id: id, Warnings: warnings }
  sendJson(call.response, answer, 201)
}

/** Docker's clients say 0×0 for a terminal that they do not have. */
function normalise(hostConfig: HostConfig): HostConfig {
  const { ConsoleSize, ...rest } = hostConfig
  return ConsoleSize && !isDefault(ConsoleSize[0]) && !isDefault(ConsoleSize[1])
    ? { ...rest, ConsoleSize }
    : rest
}

/** `default` is the bridge. */
function underOwnNames(
  endpoints: NonNullable<NetworkingConfig['EndpointsConfig']>,
): NonNullable<NetworkingConfig['EndpointsConfig']> {
  return Object.fromEntries(
    Object.entries(endpoints).map(([name, endpoint]) => [name === 'default' ? 'bridge' : name, endpoint]),
  )
}

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

async function list(engine: Deps, call: Call): Promise<void> {
  const { query } = call
  const filters = Filters.of(query, listFilters)
  for (const value of filters.get('health'))
    if (!['starting', 'healthy', 'unhealthy', 'none'].includes(value))
      throw new EngineError('invalid', `unrecognized filter value for health: ${value}`)
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
    const [, from = '', to = from, proto = 'tcp'] = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(wanted) ?? []
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
function networkFacts(engine: Deps): (c: Container) => NetworkFacts {
  const networkIds = new Map(engine.networks.list().map((network) => [network.name, network.id]))
  return (c) => ({ sandbox: engine.containers.sandbox(c), networkIds })
}

async function sizes(engine: Deps, op: Op, c: Container): Promise<{ rw: number; rootFs: number }> {
  const rw = await engine.containers.size(op, c)
  const layers = c.layers.reduce((sum, diffId) => sum + (engine.snapshots.layer(diffId)?.size ?? 0), 0)
  return { rw, rootFs: layers + rw }
}

async function inspect(engine: Deps, call: Call): Promise<void> {
  const c = engine.containers.find(call.params['id'] ?? '')
  const inspected = encodeInspect(c, {
    ...networkFacts(engine)(c),
    execIds: engine.containers.execIds(c),
    sizes: call.query.flag('size') ? await sizes(engine, call.op, c) : undefined,
  })
  sendJson(call.response, inspected)
}

async function wait(engine: Deps, call: Call): Promise<void> {
  const condition = call.query.text('condition') || 'not-running'
  if (condition !== 'not-running' && condition !== 'next-exit' && condition !== 'removed')
    throw new EngineError('invalid', `invalid condition: "${condition}"`)
  const result = engine.containers.wait(call.op, call.params['id'] ?? '', condition)
  // The client starts the container only when it has seen these.
  call.response.writeHead(200, { 'Content-Type': 'application/json' })
  call.response.flushHeaders()
  const { exitCode, error, reason } = await result
  const answer: WaitResponse = {
    StatusCode: exitCode,
    ...(error === undefined ? {} : { Error: { Message: error } }),
    // Where the exit code says all, the answer is docker's to the byte: clients compare it whole.
    ...(reason && reason.Kind !== 'exit' && { Reason: reason }),
  }
  call.response.end(`${JSON.stringify(answer)}\n`)
}

async function resize(engine: Deps, call: Call): Promise<void> {
  await engine.containers.resize(call.op, call.params['id'] ?? '', sizeOf(call))
  sendEmpty(call.response, 200)
}

/** `h` and `w`; throws kind `invalid`. */
export function sizeOf(call: Call): { rows: number; columns: number } {
  const rows = call.query.integer('h')
  const columns = call.query.integer('w')
  const fits = (n: number | undefined): n is number => n !== undefined && n >= 0 && n < 65_536
  if (!fits(rows))
    throw new EngineError('invalid', `invalid resize height: ${JSON.stringify(call.query.text('h'))}`)
  if (!fits(columns))
    throw new EngineError('invalid', `invalid resize width: ${JSON.stringify(call.query.text('w'))}`)
  return { rows, columns }
}

async function logs(engine: Deps, call: Call): Promise<void> {
  const { query } = call
  const stdout = query.flag('stdout')
  const stderr = query.flag('stderr')
  if (!stdout && !stderr)
    throw new EngineError('invalid', 'Bad parameters: you must choose at least one stream')
  const tail = query.text('tail')
  const { tty, stream } = engine.containers.logs(call.op, call.params['id'] ?? '', {
    follow: query.flag('follow'),
    timestamps: query.flag('timestamps'),
    details: query.flag('details'),
    stdout,
    stderr,
    since: nanoseconds(query.text('since')),
    until: nanoseconds(query.text('until')),
    // Docker: everything that is not a number means all
    tail: /^\d+$/.test(tail) ? Number(tail) : undefined,
  })
  await sendStream(call, stream, tty ? rawStream : multiplexedStream)
}

/** Unix seconds with up to nine decimals, exactly; docker's clients send 0 for none. */
function nanoseconds(text: string): bigint | undefined {
  if (text === '' || text === '0') return undefined
  const match = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text)
  if (match) return BigInt(match[1] ?? '0') * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
  return BigInt(Math.round(parseTime(text) * 1e6)) * 1000n
}

const changeKinds = { modified: 0, added: 1, deleted: 2 } as const

async function changes(engine: Deps, call: Call): Promise<void> {
  const list = await engine.containers.changes(call.op, call.params['id'] ?? '')
  sendJson(
    call.response,
    list.map(({ path, kind }) => ({ Path: path, Kind: changeKinds[kind] })),
  )
}

async function prune(engine: Deps, call: Call): Promise<void> {
  const filters = Filters.of(call.query, ['until', 'label', 'label!'])
  const until = filters.get('until')[0]
  const before = until === undefined ? Number.POSITIVE_INFINITY : parseTime(until) * 1000
  const { removed, bytes } = await engine.pruneContainers(
    call.committed,
    (c) =>
      Date.parse(c.createdAt) < before &&
      filters.labels(c.config.Labels) &&
      filters.withoutLabels(c.config.Labels),
  )
  sendJson(call.response, { ContainersDeleted: removed, SpaceReclaimed: bytes })
}
