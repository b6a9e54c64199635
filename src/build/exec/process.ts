import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { attempt } from '../../lib/attempt.ts'
import { EngineError } from '../../lib/errors.ts'
import { detached, type Op } from '../../lib/op.ts'
import {
  buildSpec,
  resolveUser,
  type OciMount,
  type OciSpec,
  type ResolvedUser,
} from '../../runtime/index.ts'
import type { RunStep } from '../graph/works.ts'
import { prepareAgents } from './agent.ts'
import { prepareSecrets } from './secrets.ts'
import { StepFailure } from './step-failure.ts'
import type { Tools } from './tools.ts'
import type { StepSpace } from './workspace.ts'

const hostname = 'buildkitsandbox'

export type ProcessTools = Pick<Tools, 'networks' | 'secrets' | 'ssh' | 'resources' | 'cgroupParent'>
/** Where a process of a step runs. */
export type ProcessSpace = Pick<StepSpace, 'id' | 'root' | 'scratch'>

/** Joins the network and writes what a process of the step sees, until `undo` ends. `args` run in place of the step's command. */
export async function prepareProcess(
  op: Op,
  tools: ProcessTools,
  o: {
    step: RunStep
    space: ProcessSpace
    mounts: readonly OciMount[]
    undo: AsyncDisposableStack
    args?: readonly string[]
    env?: readonly string[]
    tty?: boolean
  },
): Promise<{ spec: OciSpec; bundle: string }> {
  const { step, space, undo } = o
  const network = await joinNetwork(op, tools, { step, space, undo })
  const secrets = await prepareSecrets(op, tools, { mounts: step.mounts, space, undo })
  const agents = await prepareAgents(op, tools, { mounts: step.mounts, space, undo })
  const own = await stepMounts(space, step, network)
  const mounts = [...own, ...o.mounts, ...secrets.mounts, ...agents]
  const user = userOf(step, space.root)
  const spec = buildSpec({
    args: [...(o.args ?? step.args)],
    env: withHome([...stepEnv(step, secrets.env), ...(o.env ?? [])], user),
    cwd: step.cwd,
    user,
    tty: o.tty ?? false,
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
  return { spec, bundle: secrets.bundle }
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
  tools: ProcessTools,
  o: { step: RunStep; space: ProcessSpace; undo: AsyncDisposableStack },
): Promise<StepNetwork> {
  const { networks } = tools
  const mode = o.step.network
  const extraHosts = o.step.settings?.addHosts ?? []
  const resolvConf = await networks.resolvConf({ mode, dns: [], dnsSearch: [], dnsOptions: [] })
  if (mode === 'host')
    return { namespace: 'host', resolvConf, hosts: () => networks.hostsFile({ hostname, extraHosts }) }
  const { id } = o.space
  o.undo.defer(() =>
    attempt(op, 'leave the network of a build step', () => networks.leave(detached(op, 30_000), id), { id }),
  )
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

async function stepMounts(space: ProcessSpace, step: RunStep, network: StepNetwork): Promise<OciMount[]> {
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

function userOf(step: RunStep, root: string): ResolvedUser {
  try {
    return resolveUser(root, step.user)
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause
    throw new StepFailure({ step, reason: cause.message, cause })
  }
}

/** As runc has it, also for users that the image does not know. */
function withHome(env: string[], user: ResolvedUser): string[] {
  return env.some((entry) => entry.startsWith('HOME=')) ? env : [...env, `HOME=${user.home}`]
}
