import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Builder } from '../build/index.ts'
import { Containers, decodeContainer } from '../container/index.ts'
import { ContentStore } from '../content/index.ts'
import { Distribution, Images } from '../image/index.ts'
import { EngineError, messageOf } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { detached, type Op } from '../lib/op.ts'
import { Networks } from '../network/index.ts'
import { Registries } from '../registry/index.ts'
import { Runtime } from '../runtime/index.ts'
import { Snapshots } from '../snapshot/index.ts'
import { Leases, Store } from '../store/index.ts'
import { Volumes } from '../volume/index.ts'
import type { Config } from './config.ts'
import { EventLog } from './events.ts'

/** What an engine is made of. */
export interface Parts {
  /** Of the data root, for its whole life. */
  readonly id: string
  readonly config: Config
  readonly store: Store
  readonly content: ContentStore
  readonly snapshots: Snapshots
  readonly images: Images
  readonly distribution: Distribution
  readonly runtime: Runtime
  readonly networks: Networks
  readonly volumes: Volumes
  readonly containers: Containers
  readonly builder: Builder
  readonly events: EventLog
}

/**
 * Builds every part from the configuration, each with what it needs of the others. `undo` closes them again: it is the caller's to
 * run or to move. `collectLayers` is called when a build has let go of layers.
 */
export async function openParts(
  op: Op,
  config: Config,
  collectLayers: (op: Op) => Promise<void>,
): Promise<{ parts: Parts; undo: AsyncDisposableStack }> {
  const { dataRoot, execRoot } = config
  await mkdir(dataRoot, { recursive: true, mode: 0o710 })
  await mkdir(execRoot, { recursive: true, mode: 0o711 })
  const events = new EventLog()
  const { emit } = events
  const store = Store.open(join(dataRoot, 'gantry.db'))
  await using undo = new AsyncDisposableStack()
  undo.defer(() => store.close())
  const leases = new Leases()
  // Several daemons may share a host: what they make outside their own folders carries this tag.
  const instance = createHash('sha256').update(execRoot).digest('hex').slice(0, 6)

  const [content, snapshots, volumes] = await Promise.all([
    ContentStore.open(join(dataRoot, 'content')),
    Snapshots.open(op, { root: join(dataRoot, 'overlay'), store, leases }),
    Volumes.open(op, { root: join(dataRoot, 'volumes'), store, emit }),
  ])
  const parts = [
    Images.open(op, { store, content, snapshots, leases, emit }),
    Runtime.probe(op, {
      ...(config.runtime.name === '' ? {} : { name: config.runtime.name }),
      ...(config.runtime.path === '' ? {} : { path: config.runtime.path }),
      others: config.runtime.others,
      stateDir: join(execRoot, 'runtime'),
      exitDir: join(execRoot, 'exits'),
    }).then((made) => {
      undo.defer(() => made.close())
      return made
    }),
    Networks.open(op, {
      store,
      runDir: execRoot,
      ...networkOptions(config),
      instance,
      emit,
    }).then((made) => {
      undo.defer(() => made.close(detached(op, 10_000)))
      return made
    }),
  ] as const
  // When one fails, what the others make is there to be undone.
  await Promise.allSettled(parts)
  const [images, runtime, networks] = await Promise.all(parts)
  const containers = await Containers.open(
    op,
    {
      table: store.table('containers', decodeContainer),
      images,
      snapshots,
      runtime,
      networks,
      volumes,
      emit,
      log: op.log,
      defaults: await containerDefaults(config),
    },
    { data: join(dataRoot, 'containers'), bundles: join(execRoot, 'c') },
  )
  const distribution = new Distribution({
    registries: new Registries(config.registries),
    images,
    content,
    snapshots,
    leases,
    store,
    downloads: config.maxDownloads,
    uploads: config.maxUploads,
  })
  const builder = await Builder.open(op, {
    store,
    snapshots,
    images,
    content,
    runtime,
    networks,
    leases,
    root: join(dataRoot, 'build'),
    runDir: join(execRoot, 'build'),
    cgroupParent: config.cgroupParent,
    emit,
    gc: config.builderGc,
    historyLimits: config.builderHistory,
    checks: config.builderChecks,
    collectLayers,
    distribution,
    web: config.registries,
  })
  return {
    parts: {
      id: engineId(store),
      config,
      store,
      content,
      snapshots,
      images,
      distribution,
      runtime,
      networks,
      volumes,
      containers,
      builder,
      events,
    },
    undo: undo.move(),
  }
}

const networkOptions = (config: Config) => ({
  bridge: {
    name: config.bridge.name,
    mtu: config.bridge.mtu,
    ...(config.bridge.address === '' ? {} : { address: config.bridge.address }),
    range: config.bridge.range,
    icc: config.bridge.icc,
    masquerade: config.bridge.masquerade,
    hostBinding: config.bridge.hostBinding,
  },
  respectHostFirewall: config.respectHostFirewall,
  ipForward: config.ipForward,
  relay: config.relay,
  hostGateway: config.hostGateway,
  defaultOptions: config.networkOptions,
  addressPools: config.addressPools,
})

const containerDefaults = async (config: Config) => ({
  cgroupParent: config.cgroupParent,
  dns: config.dns,
  dnsSearch: config.dnsSearch,
  dnsOptions: config.dnsOptions,
  init: config.init,
  initPath: config.initPath,
  seccompProfile: await readSeccompProfile(config.seccompProfile),
  cdiDirectories: config.cdiDirectories,
  ipcMode: config.defaultIpcMode,
  cgroupnsMode: config.defaultCgroupnsMode,
  logDriver: config.logDriver,
  logOptions: config.logOptions,
  noNewPrivileges: config.noNewPrivileges,
  shmSize: config.defaultShmSize,
  ulimits: config.defaultUlimits,
})

/** The profile's text, or the word that stands for one. */
async function readSeccompProfile(choice: string): Promise<string> {
  if (choice === '' || choice === 'builtin' || choice === 'unconfined') return choice
  try {
    return await readFile(choice, 'utf8')
  } catch (cause) {
    throw new EngineError('invalid', `opening seccomp profile (${choice}) failed: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/** Made once, kept for the life of the data root. */
function engineId(store: Store): string {
  const table = store.table('meta', (value) => {
    if (typeof value !== 'string') throw new EngineError('internal', 'the engine id is not a string')
    return value
  })
  const known = table.get('engine-id')
  if (known !== undefined) return known
  const id = newId()
  table.put('engine-id', id)
  return id
}
