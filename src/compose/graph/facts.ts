/** What is said of a service in a drawing, line by line: a word, and what it is about. */
import {
  shownCondition,
  shownMount,
  shownPort,
  type GraphResource,
  type GraphService,
  type ProjectGraph,
} from './project-graph.ts'

export type Fact = readonly [word: string, text: string]

/** `defaultNetwork`: whether it is worth saying that a service is in that network alone. */
export function factsOf(service: GraphService, o: { defaultNetwork: boolean }): Fact[] {
  const { build, image, networks, networkMode } = service
  const onlyDefault = networks.length === 1 && networks[0] === 'default'
  const waits = service.needs.flatMap(({ service: other, condition }) => {
    const what = shownCondition(condition)
    return what === '' ? [] : [`${other} ${what}`]
  })
  return [
    build === undefined ? ['image', image] : ['build', build],
    ...service.ports.map((port) => ['port', shownPort(port)] as const),
    ...service.mounts.map(
      (mount) =>
        [mount.kind === 'volume' && mount.source !== '' ? 'volume' : 'mount', shownMount(mount)] as const,
    ),
    ...(networkMode !== '' ? [['network', networkMode] as const] : []),
    ...(networks.length > 0 && (!onlyDefault || o.defaultNetwork)
      ? [['network', networks.join(', ')] as const]
      : []),
    ...(waits.length > 0 ? [['waits', waits.join(', ')] as const] : []),
  ]
}

/** `web ×3`. */
export function titleOf({ name, replicas }: GraphService): string {
  return replicas === 1 ? name : `${name} ×${replicas}`
}

/** Rows of a table: key, name, notes, who uses it. */
export function resourceRows(
  graph: ProjectGraph,
  resources: readonly GraphResource[],
  uses: (service: GraphService, key: string) => boolean,
): string[][] {
  return resources.map(({ key, name, notes }) => [
    key,
    name,
    notes.join(', '),
    graph.services
      .filter((service) => uses(service, key))
      .map((service) => service.name)
      .join(', '),
  ])
}

export const inNetwork = (service: GraphService, key: string) => service.networks.includes(key)
export const hasVolume = (service: GraphService, key: string) =>
  service.mounts.some(({ kind, source }) => kind === 'volume' && source === key)

/** A default network that everybody is in says nothing. */
export function hasOwnNetworks({ networks }: ProjectGraph): boolean {
  return networks.some(({ key }) => key !== 'default')
}

/** At most `most` letters, the last of them `…` where some are missing. No letter is cut in two. */
export function shortened(text: string, most: number): string {
  const letters = Array.from(text)
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join('')}…`
}
