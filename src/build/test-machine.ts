/** The builder with everything below it on the real kernel, for tests alone. */
import { join } from 'node:path'
import { ContentStore } from '../content/index.ts'
import { removeTree } from '../host/cgroup.ts'
import { Images } from '../image/index.ts'
import { createLogger, silentLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { Networks } from '../network/index.ts'
import { Runtime } from '../runtime/index.ts'
import { Snapshots } from '../snapshot/index.ts'
import { Leases, Store } from '../store/index.ts'
import { Builder, noLimits } from './index.ts'

const log = process.env['GANTRY_TEST_LOG'] ? createLogger({ level: 'debug' }) : silentLogger
export const op = (signal?: AbortSignal): Op => background(log, signal)

export interface Machine {
  readonly builder: Builder
  readonly images: Images
  readonly snapshots: Snapshots
  readonly networks: Networks
  close(): Promise<void>
}

/** `root`: a short path, everything is kept below it. `instance`: a few characters unique on the host. */
export async function openMachine(o: { root: string; instance: string }): Promise<Machine> {
  const { root, instance } = o
  const store = Store.open(join(root, 'db'))
  const leases = new Leases()
  const emit = () => {}
  const content = await ContentStore.open(join(root, 'content'))
  const snapshots = await Snapshots.open(op(), { root: join(root, 'snap'), store, leases })
  const images = await Images.open(op(), { store, content, snapshots, leases, emit })
  const runtime = await Runtime.probe(op(), { stateDir: join(root, 'rt'), exitDir: join(root, 'ex') })
  const networks = await Networks.open(op(), {
    store,
    runDir: join(root, 'net'),
    bridge: { name: `gb${instance}`, mtu: 1500 },
    instance: `b${instance}`,
    emit,
  })
  const builder: Builder = await Builder.open(op(), {
    root: join(root, 'build'),
    store,
    snapshots,
    images,
    content,
    runtime,
    networks,
    leases,
    runDir: join(root, 'r'),
    cgroupParent: `/gantry-test-${instance}`,
    emit,
    gc: { enabled: false, limits: noLimits, policies: [] },
    collectLayers: (inner) => images.collect(inner, builder.references()),
  })
  return {
    builder,
    images,
    snapshots,
    networks,
    close: async () => {
      await builder.close()
      await networks.close(op())
      await runtime.close()
      await snapshots.close()
      await removeTree(`/gantry-test-${instance}`)
      store.close()
    },
  }
}
