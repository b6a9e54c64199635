import type { BuildQuery } from '../../wire/build.ts'
import { readPairs, toMap, unsaid } from '../env.ts'
import type { Options } from './flags.ts'
import type { NamedContexts } from './named-contexts.ts'
import type { ClientOutput } from './outputs.ts'
import type { Agents } from './ssh.ts'

/** What a build asks of the daemon besides its context. */
export type Common = Omit<
  BuildQuery,
  'context' | 'contexts' | 'dockerfile' | 'dockerfileText' | 'outputs' | 'cacheTo'
>

/** All that one build needs but its context. */
export interface BuildJob {
  readonly common: Common
  readonly contexts: NamedContexts
  readonly secrets: ReadonlyMap<string, Uint8Array>
  readonly outputs: readonly ClientOutput[]
  /** `--cache-to` */
  readonly caches: readonly ClientOutput[]
}

/** The agents that the build may use; disposed, those that were started for it end. */
export async function agentsOf(options: Options): Promise<Agents> {
  if (options.ssh.length === 0) return { sockets: {}, [Symbol.dispose]() {} }
  const module = await import('./ssh.ts')
  return await module.openAgents(options.ssh, process.env)
}

/** Where variables come from that a build gets without a flag. */
export interface BuildVariables {
  readonly env?: NodeJS.ProcessEnv
  readonly proxies: Readonly<Record<string, string>>
}

/** Reads secrets, and decides where outputs go. */
export async function buildJob(
  options: Options,
  agents: Pick<Agents, 'sockets'>,
  { env = process.env, proxies }: BuildVariables,
): Promise<BuildJob> {
  const resources = resourcesOf(options)
  const shmSize = options['shm-size']
  const noCacheFilter = options['no-cache-filter']
    .flatMap((text) => text.split(','))
    .filter((name) => name !== '')
  return {
    common: {
      tags: [...options.tag],
      buildArgs: {
        ...toMap(unsaid(proxies, options['build-arg'])),
        ...epochArg(env),
        ...toMap(readPairs([], options['build-arg'], env)),
      },
      labels: toMap(readPairs([], options.label)),
      noCache: options['no-cache'],
      ...(options.explain && { explain: true }),
      ...(options.shell && { shell: true }),
      ...(options.pull && { pull: true }),
      ...(noCacheFilter.length > 0 && { noCacheFilter }),
      ...((options.reproducible || options.verify) && { reproducible: true }),
      ...(options.verify && { verify: true }),
      ...(options.target !== '' && { target: options.target }),
      ...checkOptionsOf(options),
      ...(options.network !== 'default' && { networkMode: options.network }),
      ...(options.allow.length > 0 && { allow: [...options.allow] }),
      ...(options['add-host'].length > 0 && { addHosts: [...options['add-host']] }),
      ...(options.ulimit.length > 0 && { ulimits: [...options.ulimit] }),
      ...(shmSize !== undefined && shmSize > 0 && { shmSize }),
      ...(Object.keys(resources).length > 0 && { resources }),
      ...(options.platform.length > 0 && { platform: options.platform.join(',') }),
      ...(Object.keys(agents.sockets).length > 0 && { ssh: { ...agents.sockets } }),
      ...(await cacheSources(options)),
      ...(await attestationsOf(options)),
      ...(options['cgroup-parent'] !== '' && { cgroupParent: options['cgroup-parent'] }),
    },
    contexts: await readContexts(options['build-context']),
    secrets: await readSecrets(options.secret, env),
    outputs: await outputsOf(options),
    caches: await cachesOf(options),
  }
}

function checkOptionsOf(options: Options): Pick<Common, 'checkOptions'> {
  const version = options['check-version']
  const texts = [...options['check-options'], ...(version === '' ? [] : [`version=${version}`])]
  return texts.length === 0 ? {} : { checkOptions: texts.join(';') }
}

/** Docker: this one comes from the environment by itself. */
function epochArg(env: NodeJS.ProcessEnv): Record<string, string> {
  const { SOURCE_DATE_EPOCH: epoch } = env
  return epoch === undefined || epoch === '' ? {} : { SOURCE_DATE_EPOCH: epoch }
}

function resourcesOf(options: Options): NonNullable<Common['resources']> {
  const { memory } = options
  const swap = options['memory-swap']
  return {
    ...(memory !== undefined && memory !== 0 && { Memory: memory }),
    ...(swap !== undefined && swap !== 0 && { MemorySwap: swap }),
    ...(options['cpu-shares'] !== 0 && { CpuShares: options['cpu-shares'] }),
    ...(options['cpu-period'] !== 0 && { CpuPeriod: options['cpu-period'] }),
    ...(options['cpu-quota'] !== 0 && { CpuQuota: options['cpu-quota'] }),
    ...(options['cpuset-cpus'] !== '' && { CpusetCpus: options['cpuset-cpus'] }),
    ...(options['cpuset-mems'] !== '' && { CpusetMems: options['cpuset-mems'] }),
  }
}

async function attestationsOf(options: Options): Promise<Pick<Common, 'attestations'>> {
  const { attest, sbom, provenance } = options
  if (attest.length + sbom.length + provenance.length === 0) return {}
  const { parseAttestations } = await import('./attestations.ts')
  return parseAttestations({ attest, sbom, provenance })
}

async function cacheSources(options: Options): Promise<Pick<Common, 'cacheFrom'>> {
  if (options['cache-from'].length === 0) return {}
  const [{ parseCacheFrom }, { writeText }] = await Promise.all([import('./caches.ts'), import('../text.ts')])
  const warn = (path: string) => writeText(2, `WARNING: local cache import at ${path} not found\n`)
  const cacheFrom = parseCacheFrom(options['cache-from'], warn)
  return cacheFrom.length > 0 ? { cacheFrom } : {}
}

async function cachesOf(options: Options): Promise<readonly ClientOutput[]> {
  if (options['cache-to'].length === 0) return []
  return (await import('./caches.ts')).parseCacheTo(options['cache-to'])
}

async function outputsOf(options: Options): Promise<readonly ClientOutput[]> {
  const { output, load, push, annotation } = options
  if (output.length === 0 && !load && !push && annotation.length === 0) return []
  const { parseOutputFlags } = await import('./outputs.ts')
  return parseOutputFlags({ output, load, push, annotation }, process.stdout.isTTY)
}

async function readContexts(flags: readonly string[]): Promise<NamedContexts> {
  if (flags.length === 0) return {}
  const module = await import('./named-contexts.ts')
  return module.readNamedContexts(flags)
}

async function readSecrets(
  flags: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Map<string, Uint8Array>> {
  if (flags.length === 0) return new Map()
  const module = await import('./secrets.ts')
  return module.readSecrets(flags, env)
}
