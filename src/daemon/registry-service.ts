import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  Pages,
  readOnly,
  RegistryApi,
  registryHttpServer,
  RegistryMetrics,
  renewIdentity,
  SlowClients,
  type RegistryIdentity,
} from '../api/registry/index.ts'
import { parseRetention, PullThrough, readUpstreams, Registry } from '../distribution/index.ts'
import type { Op } from '../lib/op.ts'
import { ReloadedFile } from '../lib/reloaded-file.ts'
import { listenFailure } from './listen-failure.ts'
import { openRegistryAccess } from './registry-access.ts'
import { Maintenance } from './registry-maintenance.ts'
import { openRegistryStorage } from './registry-storage.ts'
import { addressText, type Address, type RegistryConfig, type RegistryTls } from './registry-config.ts'
import { readIdentity } from './tls-identity.ts'

/** How long requests under way may go on once the server is told to stop. Milliseconds. */
const drainTime = 10_000

/** A registry that is served. */
export interface RegistryService {
  /** As it became: port 0 is a free one. */
  readonly address: string
  readonly metricsAddress: string | undefined
  /** Reads certificates and the files of logins and rules again. */
  reload(op: Op): Promise<void>
  /** Retention rules and a garbage collection at once, in the background. */
  collectNow(): void
  /** Lets requests under way end, for a while, and closes everything. */
  close(op: Op): Promise<void>
}

/** Opens the storage and serves it, or leaves nothing behind. */
export async function openRegistryService(op: Op, config: RegistryConfig): Promise<RegistryService> {
  await using undo = new AsyncDisposableStack()
  const identity = config.tls && (await identityOf(config.tls))
  const { storage } = undo.use(await openRegistryStorage(op, config))
  const pullThrough = undo.use(await openPullThrough(op, config))
  const registry = await Registry.open({
    storage,
    spool: join(config.state, 'uploads'),
    graceMs: config.gcGrace,
    pullThrough,
  })
  // The storage's directory is there now, for a key of tokens.
  const logins = await openRegistryAccess(op, config)
  const slowClients = undo.use(new SlowClients({ timeout: config.clientTimeout, log: op.log }))
  const counts = { connections: 0, refused: 0 }
  const figures = new RegistryMetrics({
    connections: () => counts.connections,
    refusedConnections: () => counts.refused,
    slowClients: () => slowClients.ended,
  })
  const api = new RegistryApi({
    registry,
    log: op.log,
    limits: { maxBlobSize: config.maxBlobSize },
    access: config.readOnly ? readOnly(logins.access) : logins.access,
    observe: (_, observation) => figures.observe(observation),
  })
  const pages = new Pages({
    log: op.log,
    metrics: figures.metrics,
    probe: (probe) => registry.storage.stat(probe, 'blobs'),
    metricsAccess: config.metricsListen ? undefined : logins.access,
    tokens: logins.tokens,
  })

  const retention =
    config.retention === undefined
      ? undefined
      : await ReloadedFile.open(config.retention, (text) => parseRetention(text, 'the rules'))
  const maintenance = new Maintenance({
    registry,
    metrics: figures.metrics,
    interval: config.gcInterval,
    uploadAge: config.uploadTimeout,
    retention,
    dryRun: config.gcDryRun,
  })
  undo.defer(() => maintenance.close())

  const server = registryHttpServer(pages.before(api.listener), { ...config, tls: identity })
  server.on('connection', (socket) => {
    counts.connections++
    socket.once('close', () => counts.connections--)
  })
  server.on('drop', () => counts.refused++)
  slowClients.watch(server)
  undo.defer(() => closeAll(server))
  const address = await listen(server, 'listen', config.listen)
  const metricsServer =
    config.metricsListen &&
    registryHttpServer(pages.metricsListener, { ...config, tls: undefined, maxConnections: 100 })
  if (metricsServer) undo.defer(() => closeAll(metricsServer))
  const metricsAddress =
    metricsServer &&
    config.metricsListen &&
    (await listen(metricsServer, 'metrics-listen', config.metricsListen))
  maintenance.start(op)
  warnOfOpenDoors(op, config)

  const held = undo.move()
  return {
    address,
    metricsAddress,
    async reload(reloading) {
      const renewed = config.tls && (await identityOf(config.tls))
      await logins.reload(reloading)
      await retention?.reload(reloading)
      if (renewed) renewIdentity(server, renewed)
    },
    collectNow() {
      maintenance.collectNow()
    },
    async close(closing) {
      pages.stop()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeIdleConnections()
      const late = AbortSignal.timeout(drainTime)
      await Promise.race([closed, new Promise((resolve) => late.addEventListener('abort', resolve))])
      if (late.aborted) closing.log.warn('requests under way are ended', { connections: counts.connections })
      await api.stop()
      await held.disposeAsync()
    },
  }
}

async function openPullThrough(op: Op, config: RegistryConfig): Promise<PullThrough | undefined> {
  if (config.upstream === undefined) return undefined
  const settings = await readUpstreams(config.upstream)
  const directory = join(config.state, 'downloads')
  return await PullThrough.open({
    settings,
    directory,
    maxBlobSize: config.maxBlobSize,
    proxies: config.proxies,
    log: op.log,
  })
}

async function identityOf(tls: RegistryTls): Promise<RegistryIdentity> {
  const { cert, key, clientCa } = tls
  const { ca, ...own } = await readIdentity({
    cert: { name: 'tls-cert', path: cert },
    key: { name: 'tls-key', path: key },
    ca: clientCa === undefined ? undefined : { name: 'tls-client-ca', path: clientCa },
  })
  return { ...own, clientCa: ca }
}

async function listen(server: Server, name: string, where: Address): Promise<string> {
  const { host, port } = where
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  server.listen({ port, ...(host === '' ? {} : { host }), backlog: 511 }, listening.resolve)
  try {
    await listening.promise
  } catch (cause) {
    throw await listenFailure(cause, { ...where, name })
  }
  server.removeAllListeners('error')
  // A TCP server's address is never a path.
  return addressText({ host, port: (server.address() as AddressInfo).port })
}

async function closeAll(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

function warnOfOpenDoors(op: Op, config: RegistryConfig): void {
  const { listen: where, login, tls } = config
  const isLocal = /^(127\.|::1$|localhost$)/.test(where.host)
  if (isLocal) return
  if (login.kind === 'open' && !config.readOnly && tls?.clientCa === undefined)
    op.log.warn(
      'whoever reaches this address may push and delete: use --htpasswd, --token-keys or --read-only',
      {
        address: addressText(where),
      },
    )
  if (login.kind !== 'open' && !tls)
    op.log.warn('passwords and tokens travel without encryption: use --tls-cert, or TLS before this server', {
      address: addressText(where),
    })
}
