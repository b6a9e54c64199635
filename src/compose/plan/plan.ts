/**
 * What has to be done so that there is what the files say: a pure function of the project and of what was observed. `plan` prints
 * it, `up` carries it out; every step has its reason.
 */
import type { Observed, ObservedContainer } from '../observe.ts'
import type { Project } from '../model/project-model.ts'
import { planNetworks, planVolumes, type NetworkStep, type VolumeStep } from './plan-resources.ts'
import { planServices, type ContainerStep } from './plan-services.ts'

export type Recreate = 'diverged' | 'force' | 'never'

export interface PlanOptions {
  /** Services that were named; the others are there as their dependencies. Empty: all were meant. */
  readonly named?: readonly string[]
  readonly recreate?: Recreate
  /** For services that were not named. */
  readonly recreateDependencies?: Recreate
  readonly removeOrphans?: boolean
  /** False: containers are made, but not started. */
  readonly start?: boolean
  /** Names of volumes that keep what they have, although their configuration changed. */
  readonly keptVolumes?: ReadonlySet<string>
  /** Ids of images by service; one that is missing is still to be pulled or built. */
  readonly images: ReadonlyMap<string, string>
}

export interface Plan {
  readonly networks: readonly NetworkStep[]
  readonly volumes: readonly VolumeStep[]
  /** What others depend on first. */
  readonly services: ReadonlyMap<string, readonly ContainerStep[]>
  /** Containers of services that the files no longer have. */
  readonly orphans: readonly ObservedContainer[]
  /** Containers that no step is for, but that use what is made again. */
  readonly displaced: readonly Displaced[]
  readonly removeOrphans: boolean
  readonly start: boolean
  readonly warnings: readonly string[]
}

export interface Displaced {
  readonly container: ObservedContainer
  readonly kind: 'remove' | 'stop'
  readonly reason: string
}

export function plan(project: Project, observed: Observed, o: PlanOptions): Plan {
  const networks = planNetworks(project, observed.networks)
  const volumes = planVolumes(project, observed.volumes, o.keptVolumes)
  const orphans = observed.containers.filter((container) => isOrphan(project, container))
  const services = planServices(project, {
    ...o,
    containers: observed.containers.filter(({ oneOff }) => !oneOff),
    networks: new Map(networks.steps.map((step) => [step.key, step])),
    volumes: new Map(volumes.steps.map((step) => [step.key, step])),
  })
  const others = observed.containers.filter(
    (container) =>
      !(o.removeOrphans && orphans.includes(container)) &&
      ![...services.values()].flat().some((step) => 'container' in step && step.container === container),
  )
  return {
    networks: networks.steps,
    volumes: volumes.steps,
    services,
    orphans,
    displaced: others.flatMap(
      (container) => displaced(container, { networks: networks.steps, volumes: volumes.steps }) ?? [],
    ),
    removeOrphans: o.removeOrphans ?? false,
    start: o.start ?? true,
    warnings: [...networks.warnings, ...volumes.warnings],
  }
}

/** Docker: a volume goes with all containers that have it; a network's stop, and leave it. */
function displaced(
  container: ObservedContainer,
  o: { readonly networks: readonly NetworkStep[]; readonly volumes: readonly VolumeStep[] },
): Displaced | undefined {
  const { Mounts, NetworkSettings } = container.summary
  const volume = o.volumes.find(
    ({ kind, name }) => kind === 'replace' && Mounts.some(({ Name }) => Name === name),
  )
  if (volume)
    return { container, kind: 'remove', reason: `it has volume ${volume.name}, which is made again` }
  const inside = Object.values(NetworkSettings?.Networks ?? {}).map(({ NetworkID }) => NetworkID)
  const network = o.networks.find(
    ({ kind, found }) => kind === 'replace' && found !== undefined && inside.includes(found.Id),
  )
  return (
    network && { container, kind: 'stop', reason: `it is in network ${network.name}, which is made again` }
  )
}

/** Docker: one-off containers count once they have ended. */
export function isOrphan(
  { services, disabled }: Pick<Project, 'services' | 'disabled'>,
  { service, oneOff, state }: ObservedContainer,
): boolean {
  if (oneOff) return state === 'exited' || state === 'dead'
  return !services.has(service) && !disabled.has(service)
}

/** Nothing would change. */
export function isConverged({ networks, volumes, services, orphans, removeOrphans, start }: Plan): boolean {
  return (
    [...networks, ...volumes].every(({ kind }) => kind === 'keep' || kind === 'external') &&
    [...services.values()].flat().every(({ kind }) => kind === 'keep' || (kind === 'start' && !start)) &&
    (orphans.length === 0 || !removeOrphans)
  )
}
