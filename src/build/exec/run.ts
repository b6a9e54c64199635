import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { EngineError } from '../../lib/errors.ts'
import { detached, type Op } from '../../lib/op.ts'
import {
  buildSpec,
  resolveUser,
  RuntimeStartError,
  type OciMount,
  type Runtime,
  type StepOptions,
} from '../../runtime/index.ts'
import type { RunStep, StepSettings } from '../graph/works.ts'
import type { Tree } from '../graph/tree.ts'
import { cacheKey, type Io, type Json, type Work } from '../solver/vertex.ts'
import { MountStubs } from './mount-stubs.ts'
import { mountKey, mountsTrees, prepareMounts } from './mounts.ts'
import { prepareSecrets } from './secrets.ts'
import type { Tools } from './tools.ts'
import { makeLayer, type StepSpace } from './workspace.ts'

const hostname = 'buildkitsandbox'
/** Output of one step that is passed on: clients cannot slow a step down. */
const maxOutput = 64 << 20

/** RUN: a process in the tree of the steps before, without a monitor; what it writes is the layer. */
export function runWork(tools: Tools, step: RunStep): Work<Tree> {
  // Proxies are a matter of the machine: a build elsewhere finds the same layers.
  const { proxyEnv: _proxy, onBase: _onBase, mounts: _mounts, ...definition } = step
  const key = (byLayers: boolean) => async (op: Op, inputs: readonly Tree[]) => {
    const { script, settings, ...rest } = definition
    const base = step.onBase ? inputs[0] : undefined
    const mounted = step.mounts.length > 0 ? await mountKey(op, tools, { step, inputs, byLayers }) : undefined
    const { manifest } = mounted ?? {}
    return {
      ...cacheKey({
        op: 'run',
        base: base?.layers ?? [],
        ...rest,
        ...(script && { script: { ...script } }),
        ...(settings && { settings: settingsKey(settings) }),
        ...(mounted && { mounts: mounted.mounts }),
      }),
      ...(manifest && { manifest }),
    }
  }
  return {
    keys: mountsTrees(step) ? [key(true), key(false)] : [key(false)],
    run: async (op, inputs, io) => {
      const base = step.onBase ? inputs[0] : undefined
      let stubs: MountStubs | undefined
      await using undo = new AsyncDisposableStack()
      const { mounts, unchanged } = await prepareMounts(op, tools, { step, inputs, undo, io })
      const result = await makeLayer(op, tools, {
        layers: base?.layers ?? [],
        change: async (space) => {
          stubs = await runProcess(op, tools, { step, space, io, mounts })
        },
        clean: (space) => stubs?.clean(space.upper),
      })
      return { result, cacheable: unchanged }
    },
  }
}

async function runProcess(
  op: Op,
  tools: Tools,
  o: { step: RunStep; space: StepSpace; io: Io; mounts: readonly OciMount[] },
): Promise<MountStubs> {
  const { step, space, io } = o
  await using undo = new AsyncDisposableStack()
  const network = await joinNetwork(op, tools, { step, space, undo })
  const secrets = await prepareSecrets(op, tools, { mounts: step.mounts, space, undo })
  const mounts = [...(await stepMounts(space, step, network)), ...o.mounts, ...secrets.mounts]
  const spec = buildSpec({
    args: [...step.args],
    env: stepEnv(step, secrets.env),
    cwd: step.cwd,
    user: resolveUser(space.root, step.user),
    tty: false,
    hostname,
    rootfs: space.root,
    readonlyRootfs: false,
    mounts,
    namespaces: {
      network: network.namespace,
      pid: 'private',
      ipc: 'private',
      uts: 'private',
      cgroup: 'private',
    },
    hostConfig: {
      ...tools.resources,
      ...(step.settings?.ulimits && { Ulimits: [...step.settings.ulimits] }),
      ...(step.settings?.shmSize !== undefined && { ShmSize: step.settings.shmSize }),
    },
    cgroupsPath: join('/', tools.cgroupParent, space.id),
    init: false,
    kind: 'build-step',
  })
  const stubs = MountStubs.note(
    space.root,
    spec.mounts.map((mount) => mount.destination),
  )
  let written = 0
  let clipped = false
  const decoders = { 1: new StringDecoder('utf8'), 2: new StringDecoder('utf8') }
  const code = await runStep(op, tools.runtime, {
    id: space.id,
    bundle: secrets.bundle,
    spec,
    onOutput: (stream, data) => {
      written += data.length
      if (clipped) return
      clipped = written > maxOutput
      const text = decoders[stream].write(data)
      if (text !== '') io.log(stream, text)
      if (clipped) io.log(2, `\n[output clipped, log limit ${maxOutput >> 20}MiB reached]\n`)
    },
  })
  op.signal.throwIfAborted()
  if (code !== 0)
    throw new EngineError(
      'invalid',
      `process ${JSON.stringify(step.args.join(' '))} did not complete successfully: exit code: ${code}`,
    )
  return stubs
}

/** A command that cannot be started: only what the runtime says of it, without the words around that clients of containers match. */
async function runStep(op: Op, runtime: Runtime, step: StepOptions): Promise<number> {
  try {
    return await runtime.runStep(op, step)
  } catch (cause) {
    if (!(cause instanceof RuntimeStartError)) throw cause
    const reason = cause.message.replace(/^.*OCI runtime create failed: /, '').replace(/: unknown$/, '')
    throw new EngineError('invalid', reason, { cause })
  }
}

function settingsKey(settings: StepSettings): Json {
  const { addHosts, ulimits, shmSize } = settings
  return {
    ...(addHosts && { addHosts }),
    ...(ulimits && { ulimits: ulimits.map((each) => ({ ...each })) }),
    ...(shmSize !== undefined && { shmSize }),
  }
}

interface StepNetwork {
  readonly namespace: 'host' | { readonly path: string }
  readonly ip?: string
  readonly gateway?: string
  readonly resolvConf: string
  hosts(): string
}

async function joinNetwork(
  op: Op,
  tools: Tools,
  o: { step: RunStep; space: StepSpace; undo: AsyncDisposableStack },
): Promise<StepNetwork> {
  const { networks } = tools
  const mode = o.step.network
  const extraHosts = o.step.settings?.addHosts ?? []
  const resolvConf = await networks.resolvConf({ mode, dns: [], dnsSearch: [], dnsOptions: [] })
  if (mode === 'host')
    return { namespace: 'host', resolvConf, hosts: () => networks.hostsFile({ hostname, extraHosts }) }
  const { id } = o.space
  o.undo.defer(async () => {
    try {
      await networks.leave(detached(op, 30_000), id)
    } catch (error) {
      op.log.warn('build step: leaving the network failed', { id, error })
    }
  })
  const sandbox = await networks.join(op, {
    id,
    networks: mode === 'none' ? [] : [{ network: mode }],
    ports: [],
    owner: `build step ${id}`,
  })
  const { endpoint } = sandbox
  return {
    namespace: { path: sandbox.netnsPath },
    resolvConf,
    hosts: () =>
      networks.hostsFile({
        hostname,
        extraHosts,
        ...(endpoint && { ip: endpoint.ip, gateway: endpoint.gateway }),
      }),
  }
}

async function stepMounts(space: StepSpace, step: RunStep, network: StepNetwork): Promise<OciMount[]> {
  const bind = async (
    name: string,
    destination: string,
    o: { data: string; mode: number },
  ): Promise<OciMount> => {
    const source = join(space.scratch, name)
    await writeFile(source, o.data, { mode: o.mode })
    return { destination, type: 'bind', source, options: ['rbind', 'ro'] }
  }
  const mounts = [
    await bind('resolv.conf', '/etc/resolv.conf', { data: network.resolvConf, mode: 0o644 }),
    await bind('hosts', '/etc/hosts', { data: network.hosts(), mode: 0o644 }),
  ]
  if (step.script)
    mounts.push(
      await bind('script', `/dev/pipes/${step.script.name}`, { data: step.script.data, mode: 0o755 }),
    )
  return mounts
}

/** The image's environment wins over proxies given from outside, secrets over both. */
function stepEnv(step: RunStep, secrets: readonly string[]): string[] {
  const over = (env: readonly string[], top: readonly string[]) => {
    const names = new Set(top.map((entry) => entry.split('=', 1)[0]))
    return [...env.filter((entry) => !names.has(entry.split('=', 1)[0])), ...top]
  }
  return over(over(step.proxyEnv, step.env), secrets)
}
