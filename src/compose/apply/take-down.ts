/** Takes a project away: containers along the dependencies, then networks, volumes and images. */
import { DaemonError } from '../../client/index.ts'
import { messageOf } from '../../lib/errors.ts'
import { imageOf } from '../image-name.ts'
import type { Project } from '../model/project-model.ts'
import type { Observed, ObservedContainer } from '../observe.ts'
import { isOrphan } from '../plan/plan.ts'
import { alongGraph, type ServiceGraph } from '../service-graph.ts'
import { removeContainer, stopContainer } from './stop-containers.ts'
import type { Work } from './work.ts'

export interface DownOptions {
  /** Absent: nobody has the files; labels tell. */
  readonly project: Project | undefined
  readonly graph: ServiceGraph
  readonly observed: Observed
  /** Only these; networks, volumes and images stay then. Empty: all. */
  readonly services: readonly string[]
  readonly volumes: boolean
  readonly removeOrphans: boolean
  /** `local`: images without a name of their own; `all`: those of all services. */
  readonly images: 'none' | 'local' | 'all'
}

/** False: there was nothing to take away. */
export async function takeDown(work: Work, o: DownOptions): Promise<boolean> {
  const { project, services, observed } = o
  const meant = (name: string) => services.length === 0 || services.includes(name)
  // One-off containers of a service go with it.
  const isOther = (each: ObservedContainer) =>
    project !== undefined && isOrphan(project, { ...each, oneOff: false })
  const removals: Promise<void>[] = []
  // What others depend on may stop once they have stopped; that they are removed is not waited for.
  const stop = async (each: ObservedContainer): Promise<void> => {
    await stopContainer(work, each, project)
    const removal = removeContainer(work, each, { volumes: o.volumes })
    // Awaited below; it must not be unhandled until then.
    removal.catch(() => {})
    removals.push(removal)
  }
  const own = observed.containers.filter((each) => !isOther(each) && meant(each.service))
  const inGraph = own.filter((each) => o.graph.has(each.service))
  const others = [
    ...own.filter((each) => !o.graph.has(each.service)),
    ...(o.removeOrphans ? observed.containers.filter(isOther) : []),
  ]
  await Promise.all([
    ...others.map(stop),
    alongGraph(
      o.graph,
      async (name) => {
        await Promise.all(inGraph.filter(({ service }) => service === name).map(stop))
      },
      { reverse: true },
    ),
  ])
  await Promise.all(removals)
  if (services.length > 0) return own.length + others.length > 0
  const rest = await Promise.all([
    ...observed.networks.map(({ Id, Name }) =>
      removeResource(work, `Network ${Name}`, () => work.client.networks.remove(Id)),
    ),
    ...(o.volumes ? volumesOf(o) : []).map((name) =>
      removeResource(work, `Volume ${name}`, () => work.client.volumes.remove(name)),
    ),
    ...imagesOf(o).map((image) =>
      removeResource(work, `Image ${image}`, () => work.client.images.remove(image)),
    ),
  ])
  return own.length + others.length + rest.length > 0
}

/** What is external belongs to somebody else: it carries no label of ours. */
function volumesOf({ observed, project }: DownOptions): string[] {
  const external = new Set(
    [...(project?.volumes.values() ?? [])].flatMap((each) => (each.external ? [each.name] : [])),
  )
  return observed.volumes.flatMap(({ Name }) => (external.has(Name) ? [] : [Name]))
}

function imagesOf({ images, project, observed }: DownOptions): string[] {
  if (images === 'none') return []
  const named = project
    ? Array.from(project.services).flatMap(([name, service]) =>
        images === 'all' || service.image === '' ? [imageOf(project, name, service)] : [],
      )
    : observed.containers.flatMap(({ summary, service }) => {
        const own = summary.Image.endsWith(`-${service}`)
        return images === 'all' || own ? [summary.Image] : []
      })
  return [...new Set(named)]
}

/** In use or gone: told, and no failure. */
async function removeResource(work: Work, id: string, remove: () => Promise<unknown>): Promise<void> {
  work.report({ id, status: 'working', text: 'Removing' })
  try {
    await work.limit.run(remove)
    work.report({ id, status: 'done', text: 'Removed' })
  } catch (error) {
    if (!(error instanceof DaemonError)) throw error
    if (error.status === 404)
      work.report({ id, status: 'warning', text: 'Warning', details: 'No resource found to remove' })
    else if (error.status === 409 || error.status === 403)
      work.report({ id, status: 'warning', text: 'Resource is still in use' })
    else {
      work.report({ id, status: 'error', text: 'Error', details: messageOf(error) })
      throw error
    }
  }
}
