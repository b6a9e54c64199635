/** Which containers have to be made, made again, started or removed. */
import { tookOverLabel } from '../../wire/container.ts'
import { changeText, configChanges } from '../config-text.ts'
import { changedFiles, writtenFiles } from '../desired/file-objects.ts'
import { containerName, scaleOf } from '../desired/names.ts'
import { referencesOf, withReferences } from '../desired/references.ts'
import { imageOf } from '../image-name.ts'
import { filesLabel, label } from '../labels.ts'
import type { Project } from '../model/project-model.ts'
import type { Service } from '../model/service-model.ts'
import type { ObservedContainer } from '../observe.ts'
import { inDependencyOrder } from '../selection.ts'
import { serviceHash } from '../service-hash.ts'
import type { PlanOptions, Recreate } from './plan.ts'
import type { NetworkStep, VolumeStep } from './plan-resources.ts'

interface Common {
  readonly service: string
  readonly name: string
  readonly number: number
  readonly reason: string
}

export type ContainerStep =
  | (Common & { readonly kind: 'create' })
  /** `changes`: what of the configuration is another; empty when something else is the reason. */
  | (Common & {
      readonly kind: 'recreate'
      readonly container: ObservedContainer
      readonly changes: readonly string[]
    })
  /** There and as it should be. `start`: but not running. `restart`: what it depends on is made again. */
  | (Common & { readonly kind: 'keep' | 'start' | 'restart'; readonly container: ObservedContainer })
  | (Common & { readonly kind: 'remove'; readonly container: ObservedContainer })
  /**
   * Left by an `up` that was interrupted while it put a container in place of another one (its name begins with that one's id): it
   * goes if the other is still there, else it gets its name; also when it serves already in the other one's place, which goes then.
   */
  | (Common & { readonly kind: 'discard' | 'rename'; readonly container: ObservedContainer })

export interface ServicePlanOptions extends PlanOptions {
  readonly containers: readonly ObservedContainer[]
  readonly networks: ReadonlyMap<string, NetworkStep>
  readonly volumes: ReadonlyMap<string, VolumeStep>
}

export function planServices(
  project: Project,
  o: ServicePlanOptions,
): ReadonlyMap<string, readonly ContainerStep[]> {
  const planned = new Map<string, readonly ContainerStep[]>()
  for (const name of inDependencyOrder(project.services)) {
    const service = project.services.get(name)
    if (service) planned.set(name, new ServicePlan(project, o, { name, service, planned }).steps())
  }
  return planned
}

interface Subject {
  readonly name: string
  readonly service: Service
  /** The services before it. */
  readonly planned: ReadonlyMap<string, readonly ContainerStep[]>
}

class ServicePlan {
  readonly #project: Project
  readonly #o: ServicePlanOptions
  readonly #name: string
  readonly #service: Service
  readonly #planned: Subject['planned']
  readonly #containers: readonly ObservedContainer[]
  readonly #unfinished: readonly ObservedContainer[]
  /** Their ports and names are another one's. */
  readonly #succeeded: readonly ObservedContainer[]

  constructor(project: Project, o: ServicePlanOptions, { name, service, planned }: Subject) {
    this.#project = project
    this.#o = o
    this.#name = name
    this.#service = service
    this.#planned = planned
    const own = o.containers.filter((container) => container.service === name)
    this.#unfinished = own.filter((each) => isTemporary(each))
    this.#succeeded = own.filter((each) => own.some((other) => hasTakenOver(other, each)))
    this.#containers = own.filter((each) => !this.#isDiscarded(each) && !this.#succeeded.includes(each))
  }

  steps(): ContainerStep[] {
    const wanted = scaleOf(this.#service)
    const why = new Map(this.#containers.map((each) => [each, this.#whyRecreate(each)] as const))
    // Docker: what is out of date goes first when there are too many, then the highest numbers.
    const order = this.#containers.toSorted(
      (a, b) => Number(why.get(a) !== undefined) - Number(why.get(b) !== undefined) || a.number - b.number,
    )
    const steps = order.map((container, index): ContainerStep => {
      const name = isTemporary(container) ? this.#nameOf(container.number) : container.name
      const common = { service: this.#name, name, number: container.number, container }
      if (index >= wanted) return { ...common, kind: 'remove', reason: `scaled down to ${wanted}` }
      const changed = why.get(container)
      if (changed) return { ...common, ...changed, kind: 'recreate' }
      return { ...common, ...this.#kept(container) }
    })
    const highest = Math.max(0, ...this.#containers.map(({ number }) => number))
    for (let index = 0; index < wanted - this.#containers.length; index++) {
      const number = highest + index + 1
      steps.push({
        kind: 'create',
        service: this.#name,
        name: this.#nameOf(number),
        number,
        reason: this.#containers.length > 0 ? `scaled up to ${wanted}` : 'it is not there yet',
      })
    }
    return [...this.#tidying(), ...steps.toSorted((a, b) => a.number - b.number)]
  }

  #tidying(): ContainerStep[] {
    const succeeded = this.#succeeded.map((container) => ({
      kind: 'remove' as const,
      service: this.#name,
      number: container.number,
      name: container.name,
      container,
      reason: 'another one has taken over from it',
    }))
    const unfinished = this.#unfinished.map((container) => ({
      kind: this.#isDiscarded(container) ? ('discard' as const) : ('rename' as const),
      service: this.#name,
      number: container.number,
      name: this.#isDiscarded(container) ? container.name : this.#nameOf(container.number),
      container,
      reason: 'an up was interrupted',
    }))
    return [...succeeded, ...unfinished]
  }

  /** What it was to replace is still there. */
  #isDiscarded(container: ObservedContainer): boolean {
    return (
      isTemporary(container) &&
      this.#o.containers.some(
        (other) => other.id.startsWith(container.name.slice(0, 12)) && !hasTakenOver(container, other),
      )
    )
  }

  #nameOf(number: number): string {
    return containerName(this.#project, { name: this.#name, service: this.#service, number })
  }

  #kept({ state }: ObservedContainer): { kind: 'keep' | 'start' | 'restart'; reason: string } {
    for (const [other, { restart }] of this.#service.depends_on)
      if (restart && this.#isMadeAgain(other))
        return { kind: 'restart', reason: `it depends on ${other}, which is recreated` }
    if (state === 'running') return { kind: 'keep', reason: 'unchanged' }
    return { kind: 'start', reason: `it is ${state}` }
  }

  #isMadeAgain(service: string): boolean {
    return (this.#planned.get(service) ?? []).some(({ kind }) => kind === 'recreate')
  }

  get #policy(): Recreate {
    const { named = [], recreate = 'diverged', recreateDependencies = 'diverged' } = this.#o
    return named.length === 0 || named.includes(this.#name) ? recreate : recreateDependencies
  }

  #whyRecreate(container: ObservedContainer): { reason: string; changes: readonly string[] } | undefined {
    const because = (reason: string) => ({ reason, changes: [] })
    if (this.#policy === 'never') return undefined
    if (this.#policy === 'force') return because('recreation was asked for')
    for (const other of referencesOf(this.#service))
      if (!this.#standing(other)) return because(`it shares with ${other}, which is not the same any more`)
    const service = withReferences(this.#service, (other) => this.#standing(other)?.id ?? '')
    if (container.configHash !== serviceHash(service)) return this.#configurationChanged(container, service)
    const image = this.#o.images.get(this.#name)
    const shown = imageOf(this.#project, this.#name, this.#service)
    if (image === undefined) return because(`its image ${shown} is not there`)
    if (container.image !== '' && container.image !== image)
      return because(`image ${shown}: ${shortImage(container.image)} → ${shortImage(image)}`)
    return this.#filesChanged(container) ?? this.#resourceChanged(container)
  }

  #configurationChanged(container: ObservedContainer, service: Service) {
    const changes = configChanges(container.config, service)?.map(changeText) ?? []
    const reason = changes.length > 0 ? changes.join('; ') : 'its configuration changed'
    return { reason, changes }
  }

  /** Docker compose does not see that: what it wrote into a container stays there. */
  #filesChanged({ summary }: ObservedContainer) {
    const before = summary.Labels?.[filesLabel]
    if (before === undefined) return undefined
    const files = writtenFiles(this.#service, { project: this.#project, name: this.#name })
    const changed = changedFiles(before, files)
    return changed.length > 0
      ? { reason: `${changed.join(', ')}: content changed`, changes: changed }
      : undefined
  }

  #resourceChanged(container: ObservedContainer) {
    const { summary } = container
    const ids = Object.values(summary.NetworkSettings?.Networks ?? {}).map(({ NetworkID }) => NetworkID)
    for (const key of this.#service.networks.keys()) {
      const step = this.#o.networks.get(key)
      if (!step) continue
      const isIn = step.found !== undefined && ids.includes(step.found.Id)
      // One that does not run may name no network yet. It leaves one that is made again, though, and would start without.
      const isRight =
        container.state === 'running' ? isIn && step.kind !== 'replace' : !(isIn && step.kind === 'replace')
      if (!isRight) return { reason: `network ${step.name} is not the one it is in`, changes: [] }
    }
    for (const { type, source } of this.#service.volumes) {
      const step = type === 'volume' && source !== '' ? this.#o.volumes.get(source) : undefined
      const mounted = summary.Mounts.some(({ Name }) => Name === step?.name)
      if (step && (step.kind === 'replace' || step.kind === 'create' || !mounted))
        return { reason: `volume ${step.name} is not the one it has`, changes: [] }
    }
    return undefined
  }

  /** The container that others share with, if it stays. */
  #standing(service: string): ObservedContainer | undefined {
    const step = (this.#planned.get(service) ?? []).find(
      ({ kind }) => kind !== 'remove' && kind !== 'discard' && kind !== 'rename',
    )
    return step && 'container' in step && step.kind !== 'recreate' ? step.container : undefined
  }
}

function shortImage(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12)
}

/** `up --rolling` got as far as that. */
function hasTakenOver({ summary }: ObservedContainer, other: ObservedContainer): boolean {
  return summary.Labels?.[tookOverLabel] === other.id
}

/** Docker compose's name for a container that is to take another one's place. */
function isTemporary({ name, summary }: ObservedContainer): boolean {
  return /^[0-9a-f]{12}_/.test(name) && summary.Labels?.[label.replace] !== undefined
}
