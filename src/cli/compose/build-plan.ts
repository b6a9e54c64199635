/** What `build` keys of services come to, in bake's words: one target a service. */
import { imageOf, type Project, type Service } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Target } from '../bake/bake-target.ts'

const { isAbsolute, join } = process.getBuiltinModule('node:path')

/** What the command line says for all services. */
export interface BuildOptions {
  readonly args: Readonly<Record<string, string>>
  readonly ssh: readonly string[]
  readonly noCache: boolean
  readonly pull: boolean
  readonly push: boolean
  /** `true`, `false`, or attributes; empty: as the file says. */
  readonly provenance: string
  readonly sbom: string
  /** Labels that tell whose image it is. */
  readonly labels: (service: string) => Readonly<Record<string, string>>
  /** Built to be run here: of several platforms, this host's or the one that the service names. */
  readonly onePlatform?: boolean
}

/** The named services that have something to build, and those that they take as contexts. */
export function servicesToBuild(project: Project, names: Iterable<string>): Map<string, Service> {
  const found = new Map<string, Service>()
  const add = (name: string) => {
    const service = project.services.get(name) ?? project.disabled.get(name)
    if (!service?.build || found.has(name)) return
    found.set(name, service)
    for (const place of service.build.additional_contexts.values()) {
      const other = serviceOf(place)
      if (other !== undefined) add(other)
    }
  }
  for (const name of names) add(name)
  return found
}

export function buildTargets(
  project: Project,
  services: ReadonlyMap<string, Service>,
  o: BuildOptions,
): Map<string, Target> {
  return new Map(Array.from(services, ([name, service]) => [name, targetOf(project, { name, service }, o)]))
}

type Build = NonNullable<Service['build']>

function targetOf(
  project: Project,
  { name, service }: { name: string; service: Service },
  o: BuildOptions,
): Target {
  const { build } = service
  if (!build) throw new EngineError('invalid', `service "${name}" has nothing to build`)
  refuse(name, build)
  const platforms = platformsOf(project, { name, service }, o)
  // Docker: an image that nobody named is for here.
  const push = o.push && service.image !== ''
  return {
    ...optional('attest', attestations(build, o)),
    context: build.context === '' ? '.' : build.context,
    ...optionalMap('contexts', contextsOf(build)),
    ...(build.dockerfile_inline === ''
      ? { dockerfile: dockerfileOf(build) }
      : { 'dockerfile-inline': build.dockerfile_inline }),
    ...optionalMap('args', { ...withoutNull(build.args), ...o.args }),
    labels: { ...Object.fromEntries(build.labels), ...o.labels(name) },
    tags: [...build.tags, imageOf(project, name, service)],
    ...optional('cache-from', build.cache_from),
    ...optional('cache-to', build.cache_to),
    ...(build.target !== '' && { target: build.target }),
    ...optional('secret', secretsOf(project, build)),
    ...optional('ssh', [...sshOf(build), ...o.ssh]),
    ...optional('platforms', platforms),
    output: outputOf(platforms, push),
    ...((build.pull || o.pull) && { pull: true }),
    ...((build.no_cache || o.noCache) && { 'no-cache': true }),
    ...(build.network !== '' && { network: build.network }),
    ...optional('no-cache-filter', build.no_cache_filter),
    ...(build.shm_size !== 0 && { 'shm-size': String(build.shm_size) }),
    ...optional(
      'ulimits',
      Array.from(build.ulimits, ([limit, { soft, hard, single }]) =>
        single ? `${limit}=${soft}` : `${limit}=${soft}:${hard}`,
      ),
    ),
    ...optional('entitlements', build.entitlements),
    ...optionalMap(
      'extra-hosts',
      Object.fromEntries(Array.from(build.extra_hosts, ([host, addresses]) => [host, addresses.join(',')])),
    ),
  }
}

/** Of a context that is a folder: with its path, as docker compose prints it. */
function dockerfileOf({ context, dockerfile }: Build): string {
  const name = dockerfile || 'Dockerfile'
  return isAbsolute(context) && !isAbsolute(name) ? join(context, name) : name
}

function refuse(name: string, { privileged, isolation, network }: Build): void {
  const no = (key: string, why: string) =>
    new EngineError('unsupported', `services.${name}.build.${key}: ${why}`)
  if (privileged) throw no('privileged', 'build steps have one confinement; see build.entitlements')
  if (isolation !== '' && isolation !== 'default') throw no('isolation', 'it exists on Windows only')
  if (!['', 'default', 'none', 'host', 'bridge'].includes(network))
    throw no('network', `build steps may use default, host or none, not ${JSON.stringify(network)}`)
}

/** A service as context is that service's target. */
function contextsOf({ additional_contexts: contexts }: Build): Record<string, string> {
  return Object.fromEntries(
    Array.from(contexts, ([name, place]) => {
      const other = serviceOf(place)
      return [name, other === undefined ? place : `target:${other}`]
    }),
  )
}

function serviceOf(place: string): string | undefined {
  return place.startsWith('service:') ? place.slice('service:'.length) : undefined
}

function platformsOf(
  project: Project,
  { name, service }: { name: string; service: Service },
  o: BuildOptions,
): readonly string[] {
  const all = service.build?.platforms ?? []
  const usual = service.platform || project.environment.get('DOCKER_DEFAULT_PLATFORM') || ''
  if (all.length === 0) return usual === '' ? [] : [usual]
  if (usual !== '' && !all.includes(usual))
    throw new EngineError(
      'invalid',
      `service "${name}" build.platforms does not support value set by DOCKER_DEFAULT_PLATFORM: ${usual}`,
    )
  return o.onePlatform ? (usual === '' ? [] : [usual]) : all
}

function outputOf(platforms: readonly string[], push: boolean): string[] {
  if (platforms.length > 1) return [`type=image,push=${push}`]
  return [push ? 'type=registry' : 'type=docker']
}

function secretsOf(project: Project, { secrets }: Build): string[] {
  return secrets.map(({ source, target }) => {
    const secret = project.secrets.get(source)
    const id = target || source
    if (secret && secret.environment !== '') return `id=${id},type=env,env=${secret.environment}`
    if (secret && secret.file !== '') return `id=${id},type=file,src=${secret.file}`
    throw new EngineError(
      'unsupported',
      `build.secrets ${source}: only secrets of a file or a variable can be given to a build`,
    )
  })
}

function sshOf({ ssh }: Build): string[] {
  return Array.from(ssh, ([id, path]) => (path === null || path === '' ? id : `${id}=${path}`))
}

function attestations(build: Build, o: BuildOptions): string[] {
  const one = (type: string, value: string): string[] => {
    if (value === '') return []
    if (value === 'true') return [`type=${type}`]
    return [value === 'false' ? `type=${type},disabled=true` : `type=${type},${value}`]
  }
  return [...one('provenance', o.provenance || build.provenance), ...one('sbom', o.sbom || build.sbom)]
}

function withoutNull(values: ReadonlyMap<string, string | null>): Record<string, string> {
  return Object.fromEntries(Array.from(values).filter((each): each is [string, string] => each[1] !== null))
}

function optional<K extends keyof Target>(key: K, values: readonly string[]): Pick<Target, K> | object {
  return values.length === 0 ? {} : { [key]: values }
}

function optionalMap<K extends keyof Target>(
  key: K,
  values: Readonly<Record<string, string>>,
): Pick<Target, K> | object {
  return Object.keys(values).length === 0 ? {} : { [key]: values }
}
