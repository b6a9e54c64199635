import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type {
  ContainerCreateResponse,
  HostConfig,
  NetworkingConfig,
  WaitResponse,
} from '../../wire/container.ts'
import { decode, readJson } from './body.ts'
import { callerOf } from './caller.ts'
import { encodeInspect } from './encode-container.ts'
import { Filters, parseTime } from './filters.ts'
import { listContainers, networkFacts, sizes } from './list-containers.ts'
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
    { method: 'GET', path: '/containers/json', handler: (call) => listContainers(engine, call) },
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
      handler: change(async (op, ref, { query }) => {
        try {
          await containers.kill(op, ref, { signal: query.text('signal') })
        } catch (error) {
          if (!(error instanceof EngineError) || error.message.startsWith('cannot kill')) throw error
          throw new EngineError(error.kind, `cannot kill container: ${ref}: ${error.message}`, {
            cause: error,
          })
        }
      }),
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
          // Links go with their containers: there is none to remove.
          throw new EngineError('conflict', 'Conflict, cannot remove the default link name of the container')
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

async function inspect(engine: Deps, call: Call): Promise<void> {
  const c = engine.containers.find(call.params['id'] ?? '')
  const inspected = encodeInspect(c, {
    ...networkFacts(engine)(c),
    execIds: engine.containers.execIds(c),
    graph: engine.snapshots.graphData(c.layers, c.id),
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
