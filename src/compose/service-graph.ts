/** Which service waits for which: all that starting and stopping need to know of a project, from its files or from its labels. */
import { label, readDependsOn, type Dependency } from './labels.ts'
import type { Service } from './model/service-model.ts'
import type { ObservedContainer } from './observe.ts'

/** Service to what it depends on. */
export type ServiceGraph = ReadonlyMap<string, ReadonlyMap<string, Dependency>>

export function graphOfServices(services: ReadonlyMap<string, Service>): ServiceGraph {
  return new Map(
    Array.from(services, ([name, { depends_on }]) => [
      name,
      new Map(
        Array.from(depends_on, ([other, { condition, restart, required }]) => [
          other,
          { condition, restart, required: required ?? true },
        ]),
      ),
    ]),
  )
}

/** Without files: as the labels of the containers tell it. */
export function graphOfContainers(containers: readonly ObservedContainer[]): ServiceGraph {
  const graph = new Map<string, ReadonlyMap<string, Dependency>>()
  for (const { service, summary } of containers)
    if (!graph.has(service)) graph.set(service, readDependsOn(summary.Labels?.[label.dependsOn] ?? ''))
  return graph
}

/**
 * Calls `visit` for every service of the graph, each as soon as those it depends on are done (`reverse`: as soon as those that
 * depend on it are). The first failure starts nothing new; what runs is awaited, then it is thrown.
 */
export async function alongGraph(
  graph: ServiceGraph,
  visit: (service: string) => Promise<void>,
  { reverse = false }: { reverse?: boolean } = {},
): Promise<void> {
  const before = reverse ? dependentsOf(graph) : graph
  const done = new Map<string, Promise<void>>()
  const failed: { error: unknown }[] = []
  const run = (service: string): Promise<void> => {
    const known = done.get(service)
    if (known) return known
    const work = (async () => {
      // A turn of the event loop first, so that the promise is known before others ask for it.
      await Promise.resolve()
      const others = [...(before.get(service)?.keys() ?? [])].filter((other) => graph.has(other))
      await Promise.all(others.map(run))
      if (failed.length > 0) return
      try {
        await visit(service)
      } catch (error) {
        failed.push({ error })
      }
    })()
    done.set(service, work)
    return work
  }
  await Promise.all([...graph.keys()].map(run))
  if (failed[0]) throw failed[0].error
}

/** Service to the services that depend on it. */
export function dependentsOf(graph: ServiceGraph): ServiceGraph {
  const dependents = new Map<string, Map<string, Dependency>>()
  for (const [name, dependencies] of graph)
    for (const [other, dependency] of dependencies) {
      const found = dependents.get(other) ?? new Map<string, Dependency>()
      dependents.set(other, found.set(name, dependency))
    }
  return dependents
}

/** The services and all that they lead to. */
export function closure(graph: ServiceGraph, services: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (service: string) => {
    if (found.has(service) || !graph.has(service)) return
    found.add(service)
    for (const other of graph.get(service)?.keys() ?? []) visit(other)
  }
  services.forEach(visit)
  return found
}

/** The part of the graph that has these services. */
export function within(graph: ServiceGraph, services: ReadonlySet<string>): ServiceGraph {
  return new Map([...graph].filter(([name]) => services.has(name)))
}
