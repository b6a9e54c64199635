import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { EventMessage, SystemInfo } from '../../wire/system.ts'
import { encodeCacheItem } from './build-cache.ts'
import { encodeSummary } from './encode-container.ts'
import { Filters, parseTime } from './filters.ts'
import { sendJson, writeLine } from './respond.ts'
import type { Call, Route } from './route.ts'
import { encodeSummary as encodeImageSummary } from './encode-image.ts'
import { encodeVolume } from './volumes.ts'

type Deps = Pick<Engine, 'info' | 'version' | 'events' | 'diskUsage'>

export function systemRoutes(engine: Deps): Route[] {
  return [
    { method: 'GET', path: '/_ping', handler: ping },
    { method: 'HEAD', path: '/_ping', handler: ping },
    { method: 'GET', path: '/version', handler: ({ response }) => sendJson(response, engine.version()) },
    {
      method: 'GET',
      path: '/info',
      handler: async ({ response, minor }) => {
        const info = await engine.info()
        sendJson(response, { ...info, ...olderInfo(info, minor) })
      },
    },
    { method: 'GET', path: '/events', handler: (call) => events(engine, call) },
    { method: 'GET', path: '/system/df', handler: (call) => diskUsage(engine, call) },
  ]
}

/** What docker has left out since, and older clients may index into. */
function olderInfo(info: SystemInfo, minor: number): object {
  const {
    ContainerdCommit: containerd,
    RuncCommit: runc,
    InitCommit: init,
    RegistryConfig: registries,
  } = info
  const expected = (commit: { ID: string }) => ({ ...commit, Expected: commit.ID })
  return {
    ...(minor < 50 && { BridgeNfIptables: false, BridgeNfIp6tables: false }),
    ...(minor < 49 && {
      ContainerdCommit: expected(containerd),
      RuncCommit: expected(runc),
      InitCommit: expected(init),
      RegistryConfig: {
        AllowNondistributableArtifactsCIDRs: null,
        AllowNondistributableArtifactsHostnames: null,
        ...registries,
      },
    }),
  }
}

function ping({ request, response }: Call): void {
  response.writeHead(200, {
    // BuildKit’s; the classic route is there too.
    'Builder-Version': '2',
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    Swarm: 'inactive',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': request.method === 'HEAD' ? 0 : 2,
  })
  response.end(request.method === 'HEAD' ? undefined : 'OK')
}

const eventFilters = [
  'config',
  'container',
  'daemon',
  'event',
  'image',
  'label',
  'network',
  'node',
  'plugin',
  'scope',
  'secret',
  'service',
  'type',
  'volume',
]

async function events(engine: Deps, call: Call): Promise<void> {
  const { query, response, op } = call
  const filters = Filters.of(query, eventFilters)
  const since = query.text('since')
  const until = query.text('until')
  const end = until === '' || until === '0' ? undefined : parseTime(until)
  const timeout = new AbortController()
  const timer =
    end === undefined
      ? undefined
      : setTimeout(() => timeout.abort(), Math.min(2 ** 31 - 1, Math.max(0, end * 1000 - Date.now())))
  // Subscribed before the past is read: nothing falls between.
  const live = engine.events.subscribe(AbortSignal.any([op.signal, timeout.signal]))
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.flushHeaders()
  try {
    if (since !== '' && since !== '0')
      for (const event of engine.events.history({
        since: parseTime(since),
        until: end ?? Date.now() / 1000 + 1,
      }))
        if (matches(event, filters)) await writeLine(call, event)
    for await (const event of live) if (matches(event, filters)) await writeLine(call, event)
  } finally {
    clearTimeout(timer)
    timeout.abort()
  }
  response.end()
}

function matches(event: EventMessage, filters: Filters): boolean {
  const { ID: id, Attributes: attributes } = event.Actor
  const isActor = (type: EventMessage['Type']) => (value: string) =>
    event.Type === type &&
    (id === value || attributes['name'] === value || (value.length > 3 && id.startsWith(value)))
  const noneOf = (key: string) => filters.any(key, () => false)
  return (
    filters.any('type', (value) => event.Type === value) &&
    // Docker: `exec_create` also finds `exec_create: sh -c …`.
    filters.any('event', (value) => event.Action === value || event.Action.startsWith(`${value}:`)) &&
    filters.any('scope', (value) => value === 'local') &&
    filters.labels(attributes) &&
    filters.any('container', isActor('container')) &&
    filters.any('volume', isActor('volume')) &&
    filters.any('network', isActor('network')) &&
    filters.any('daemon', isActor('daemon')) &&
    filters.any(
      'image',
      (value) =>
        isActor('image')(value) ||
        attributes['image'] === value ||
        // Docker: without its tag, too.
        (event.Type === 'image' && attributes['name']?.replace(/:[^:/]*$/, '') === value),
    ) &&
    ['config', 'node', 'plugin', 'secret', 'service'].every(noneOf)
  )
}

const usageTypes = ['container', 'image', 'volume', 'build-cache']

async function diskUsage(engine: Deps, call: Call): Promise<void> {
  const types = call.query.all('type')
  const wrong = types.find((type) => !usageTypes.includes(type))
  if (wrong !== undefined) throw new EngineError('invalid', `unknown object type: ${wrong}`)
  const wants = (type: string) => types.length === 0 || types.includes(type)
  const usage = await engine.diskUsage(call.op)
  sendJson(call.response, {
    // Docker: what was not asked for is there, and empty.
    LayersSize: 0,
    Images: null,
    Containers: null,
    Volumes: null,
    BuildCache: null,
    ...(wants('image') && {
      LayersSize: usage.layersBytes,
      Images: usage.images.map(({ image, sharedBytes, containers }) =>
        encodeImageSummary(image, { sharedSize: sharedBytes, containers, minor: call.minor }),
      ),
    }),
    ...(wants('container') && {
      Containers: usage.containers.map(({ container: c, bytes }) => ({
        ...encodeSummary(c, {
          sandbox: undefined,
          networkIds: new Map(),
          imageName: c.config.Image,
          sizes: undefined,
        }),
        SizeRw: bytes,
        SizeRootFs: bytes,
      })),
    }),
    ...(wants('volume') && {
      Volumes: usage.volumes.map(({ volume, bytes, users }) => ({
        ...encodeVolume(volume),
        UsageData: { Size: bytes, RefCount: users },
      })),
    }),
    ...(wants('build-cache') && {
      BuildCache: usage.cache.map(encodeCacheItem),
    }),
  })
}
