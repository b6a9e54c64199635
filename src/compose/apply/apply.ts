/**
 * Carries a plan out: networks, volumes and orphans first, then all containers at once (what shares with another one after it),
 * then starts along the dependencies, each as soon as what it waits for is there.
 */
import { EngineError } from '../../lib/errors.ts'
import { imageOf } from '../image-name.ts'
import { containerName } from '../desired/names.ts'
import { referencesOf } from '../desired/references.ts'
import { alongGraph, graphOfServices } from '../service-graph.ts'
import type { Project } from '../model/project-model.ts'
import type { Service } from '../model/service-model.ts'
import { sharedContainer, type Observed, type ObservedContainer } from '../observe.ts'
import type { Plan } from '../plan/plan.ts'
import type { ContainerStep } from '../plan/plan-services.ts'
import { applyNetwork, applyVolume } from './apply-resources.ts'
import { createContainer, recreateContainer, type Made } from './create-container.ts'
import { refusedAt } from './refused-at.ts'
import { checkRolling, checkStandby, rollContainer } from './roll-container.ts'
import { startServices, type Startable } from './start-services.ts'
import { removeContainer, restartContainer, stopAndRemove, stopContainer } from './stop-containers.ts'
import type { Work } from './work.ts'

export interface ApplyOptions {
  readonly project: Project
  readonly observed: Observed
  /** Ids of images by service. */
  readonly images: ReadonlyMap<string, string>
  /** Recreated containers take over the anonymous volumes of those before. */
  readonly inherit: boolean
  /** Called with all containers before any of them starts: who wants their output attaches now. */
  readonly beforeStart?: (containers: ReadonlyMap<string, readonly Startable[]>) => Promise<void>
  /** `--rolling`: running containers go only when there is a new one; how many seconds their connections have to end. */
  readonly rolling?: { readonly drain: number } | undefined
  /** `--wait`: until all run, or are healthy. */
  readonly wait?: boolean
}

/** Containers of each service, as they are when all is done. */
export async function apply(
  work: Work,
  plan: Plan,
  o: ApplyOptions,
): Promise<ReadonlyMap<string, readonly Startable[]>> {
  // Before anything is done.
  if (o.rolling)
    for (const [name, steps] of plan.services) {
      const service = o.project.services.get(name)
      if (service && steps.some(({ kind }) => kind === 'recreate')) checkRolling(o.project, name, service)
    }
  const dependents = [...plan.services.values()].flat().filter(({ kind }) => kind === 'restart')
  await Promise.all([
    ...plan.networks.map((step) => applyNetwork(work, step, o)),
    ...plan.volumes.map((step) => applyVolume(work, step, o)),
    ...(plan.removeOrphans ? plan.orphans : []).map((each) => stopAndRemove(work, each, o)),
    // Docker: what depends on a service that is made again stops before, and starts after it. One that rolls is never gone.
    ...(o.rolling ? [] : dependents).flatMap((step) =>
      'container' in step ? stopContainer(work, step.container, o.project) : [],
    ),
  ])
  const containers = new Containers(work, plan, o)
  const services = await containers.all()
  await o.beforeStart?.(services)
  if (plan.start) {
    const graph = graphOfServices(o.project.services)
    await startServices(work, graph, { services, project: o.project, wait: o.wait ?? false })
    // What they depend on is up by now.
    await alongGraph(graph, (name) => containers.roll(name))
  }
  return services
}

class Containers {
  readonly #work: Work
  readonly #plan: Plan
  readonly #o: ApplyOptions
  readonly #made = new Map<string, Startable[]>()
  /** By service, what is made anew when all else is done. */
  readonly #rolls = new Map<string, (() => Promise<unknown>)[]>()
  readonly #imageVolumes = new Map<string, Promise<readonly string[]>>()

  constructor(work: Work, plan: Plan, o: ApplyOptions) {
    this.#work = work
    this.#plan = plan
    this.#o = o
  }

  async all(): Promise<ReadonlyMap<string, readonly Startable[]>> {
    // What others only depend on need not be there when they are made: only what they share has to be.
    const whole = graphOfServices(this.#o.project.services)
    const sharing = new Map(
      Array.from(whole, ([name, dependencies]) => {
        const service = this.#o.project.services.get(name)
        const shared = service ? referencesOf(service) : []
        return [name, new Map([...dependencies].filter(([other]) => shared.includes(other)))]
      }),
    )
    await alongGraph(sharing, (name) =>
      this.#service(name).catch((error: unknown) => {
        throw refusedAt(this.#o.project, name, error)
      }),
    )
    return this.#made
  }

  /** One container after the other: the rest of the service is there meanwhile. */
  async roll(name: string): Promise<void> {
    for (const roll of this.#rolls.get(name) ?? []) await roll()
  }

  async #service(name: string): Promise<void> {
    const service = this.#o.project.services.get(name)
    if (!service) return
    const steps = this.#plan.services.get(name) ?? []
    const renames = steps.filter(({ kind }) => kind === 'rename')
    const frees = ({ kind, name: freed }: ContainerStep) =>
      kind === 'discard' || (kind === 'remove' && renames.some((step) => step.name === freed))
    const all = (chosen: readonly ContainerStep[]) =>
      Promise.all(chosen.map((step) => this.#step(step, service)))
    // Names have to be free before they are given.
    await all(steps.filter(frees))
    await all(renames)
    const made = await all(steps.filter((step) => !frees(step) && !renames.includes(step)))
    this.#made.set(
      name,
      made.filter((each) => each !== undefined),
    )
  }

  async #step(step: ContainerStep, service: Service): Promise<Startable | undefined> {
    const work = this.#work
    work.signal?.throwIfAborted()
    switch (step.kind) {
      case 'keep':
        work.report({ id: `Container ${step.name}`, status: 'done', text: 'Running' })
        return { id: step.container.id, name: step.name, running: true }
      case 'restart':
        if (this.#isRolled(step.container)) {
          this.#roll(step.service, () => restartContainer(work, step.container))
          return { id: step.container.id, name: step.name, running: true }
        }
        return { id: step.container.id, name: step.name, running: false }
      case 'start':
        return { id: step.container.id, name: step.name, running: false }
      case 'discard':
        await checkStandby(work, step.container)
        await removeContainer(work, step.container)
        return undefined
      case 'rename':
        await work.client.containers.rename(step.container.id, step.name)
        work.report({
          id: `Container ${step.container.name}`,
          status: 'done',
          text: 'Renamed',
          details: step.name,
        })
        return undefined
      case 'remove':
        await stopAndRemove(work, step.container, this.#o)
        return undefined
      case 'create':
        return started(await createContainer(work, this.#body(step, service)))
      case 'recreate': {
        const inherit = this.#o.inherit ? step.container.summary : undefined
        const options = {
          ...this.#body(step, service),
          inherit,
          imageVolumes: inherit ? await this.#volumesOfImage(step.service, service) : [],
          details: step.reason,
        }
        const { rolling } = this.#o
        if (!rolling || !this.#isRolled(step.container))
          return started(await recreateContainer(work, step.container, options))
        this.#roll(step.service, () =>
          rollContainer(work, step.container, { ...options, drain: rolling.drain }),
        )
        return { id: step.container.id, name: step.name, running: true }
      }
    }
  }

  /** It goes on until its turn comes. */
  #isRolled({ state }: ObservedContainer): boolean {
    return this.#o.rolling !== undefined && (state === 'running' || state === 'restarting')
  }

  #roll(service: string, roll: () => Promise<unknown>): void {
    this.#rolls.set(service, [...(this.#rolls.get(service) ?? []), roll])
  }

  #body(step: ContainerStep, service: Service) {
    const { project, images } = this.#o
    return {
      project,
      name: step.service,
      service,
      number: step.number,
      image: images.get(step.service),
      find: (other: string) => this.#find(step.service, other),
      containerName: containerName(project, { name: step.service, service, number: step.number }),
    }
  }

  #find(service: string, other: string): string {
    // `--no-deps`: what is there serves.
    const found = this.#made.get(other)?.[0] ?? sharedContainer(this.#o.observed, other)
    if (!found)
      throw new EngineError(
        'conflict',
        `service "${service}" shares with service "${other}", which has no container`,
      )
    return found.id
  }

  #volumesOfImage(name: string, service: Service): Promise<readonly string[]> {
    const image = imageOf(this.#o.project, name, service)
    let found = this.#imageVolumes.get(image)
    if (!found) {
      found = this.#work.client.images.inspect(image).then(({ Config }) => Object.keys(Config?.Volumes ?? {}))
      this.#imageVolumes.set(image, found)
    }
    return found
  }
}

function started({ id, name }: Made): Startable {
  return { id, name, running: false }
}
