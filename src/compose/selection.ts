/** Which services of a project take part: by profiles, by names with what they depend on; and the resources they use. */
import { EngineError } from '../lib/errors.ts'
import type { Project } from './model/project-model.ts'
import type { Service } from './model/service-model.ts'

/** `*` activates every profile. */
export function withProfiles(project: Project, profiles: readonly string[]): Project {
  if (profiles.includes('*')) return project
  const active = new Set(profiles)
  return split(
    project,
    (_, service) => service.profiles.length === 0 || service.profiles.some((profile) => active.has(profile)),
  )
}

/** The named services and what they depend on; a name activates its service whatever its profiles. */
export function withServices(project: Project, names: readonly string[]): Project {
  if (names.length === 0) return project
  const enabled = new Map(project.services)
  for (const name of names) {
    const service = project.services.get(name) ?? project.disabled.get(name)
    if (!service) throw new EngineError('not-found', `no such service: ${name}`)
    enabled.set(name, service)
  }
  const wanted = new Set<string>()
  const visit = (name: string) => {
    const service = enabled.get(name)
    if (!service || wanted.has(name)) return
    wanted.add(name)
    for (const dependency of service.depends_on.keys()) visit(dependency)
  }
  names.forEach(visit)
  return split({ ...project, services: enabled }, (name) => wanted.has(name))
}

function split(project: Project, keep: (name: string, service: Service) => boolean): Project {
  const services = new Map<string, Service>()
  const disabled = new Map(project.disabled)
  for (const [name, service] of project.services) {
    if (keep(name, service)) {
      services.set(name, service)
      disabled.delete(name)
    } else disabled.set(name, service)
  }
  return { ...project, services, disabled }
}

/** Without networks, volumes, secrets, configs and models that no service uses. */
export function withUsedResources(project: Project): Project {
  const services = [...project.services.values()]
  const only = <T>(all: ReadonlyMap<string, T>, used: (service: Service) => readonly string[]) => {
    const names = new Set(services.flatMap(used))
    return new Map([...all].filter(([name]) => names.has(name)))
  }
  const sources = (references: readonly { readonly source: string }[]) =>
    references.map(({ source }) => source)
  return {
    ...project,
    networks: only(project.networks, (service) => [...service.networks.keys()]),
    volumes: only(project.volumes, (service) =>
      sources(service.volumes.filter((mount) => mount.type === 'volume' && mount.source !== '')),
    ),
    secrets: only(project.secrets, (service) =>
      sources([...service.secrets, ...(service.build?.secrets ?? [])]),
    ),
    configs: only(project.configs, (service) => sources(service.configs)),
    models: only(project.models, (service) => [...service.models.keys()]),
  }
}

/** Names of services, what others depend on first. */
export function inDependencyOrder(services: ReadonlyMap<string, Service>): string[] {
  const order = new Set<string>()
  const visit = (name: string) => {
    const service = services.get(name)
    if (!service || order.has(name)) return
    for (const dependency of [...service.depends_on.keys()].toSorted()) visit(dependency)
    order.add(name)
  }
  for (const name of [...services.keys()].toSorted()) visit(name)
  return [...order]
}
