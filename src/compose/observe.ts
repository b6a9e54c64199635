/** What there is of a project: its containers, networks and volumes, found by their labels. */
import type { Client } from '../client/index.ts'
import type { ContainerStatus, ContainerSummary } from '../wire/container.ts'
import type { NetworkInfo, VolumeInfo } from '../wire/system.ts'
import { configLabel, label } from './labels.ts'

export interface ObservedContainer {
  readonly id: string
  /** Without the slash. */
  readonly name: string
  readonly service: string
  readonly number: number
  readonly oneOff: boolean
  readonly state: ContainerStatus
  /** `Up 3 minutes (healthy)`. */
  readonly status: string
  readonly configHash: string
  /** Id of the image that compose made it of. */
  readonly image: string
  /** The configuration that the hash was made of; empty on what docker compose made. */
  readonly config: string
  readonly summary: ContainerSummary
}

export interface Observed {
  readonly containers: readonly ObservedContainer[]
  readonly networks: readonly NetworkInfo[]
  readonly volumes: readonly VolumeInfo[]
}

/** The container of a service that others share with: one that runs, if any does. */
export function sharedContainer({ containers }: Observed, service: string): ObservedContainer | undefined {
  const own = containers.filter((each) => each.service === service && !each.oneOff)
  return own.find(({ state }) => state === 'running') ?? own[0]
}

export interface ContainerScope {
  /** Containers of `run`; left out unless asked for. */
  readonly oneOff?: 'exclude' | 'include' | 'only'
  /** Only those that run. */
  readonly running?: boolean
}

/** Containers of a project, by service and number. */
export async function observeContainers(
  client: Client,
  project: string,
  { oneOff = 'exclude', running = false }: ContainerScope = {},
): Promise<ObservedContainer[]> {
  const labels = [`${label.project}=${project}`, label.configHash]
  if (oneOff !== 'include') labels.push(`${label.oneOff}=${oneOff === 'only' ? 'True' : 'False'}`)
  const rows = await client.containers.list({ all: !running, filters: { label: labels } })
  return rows.map(observed).toSorted(byServiceAndNumber)
}

/** `wanted`: names of networks and volumes that may be there without being the project's. */
export async function observe(
  client: Client,
  project: string,
  wanted: { networks: readonly string[]; volumes: readonly string[] } = { networks: [], volumes: [] },
): Promise<Observed> {
  const filters = { label: [`${label.project}=${project}`] }
  const [containers, networks, volumes] = await Promise.all([
    observeContainers(client, project, { oneOff: 'include' }),
    // Networks are few: all of them in one call tell of those by other names, too.
    client.networks.list(wanted.networks.length > 0 ? undefined : filters),
    client.volumes.list(wanted.volumes.length > 0 ? { name: [...wanted.volumes] } : filters),
  ])
  const own = (labels: Record<string, string> | null) => labels?.[label.project] === project
  return {
    containers,
    networks: networks.filter((each) => own(each.Labels) || wanted.networks.includes(each.Name)),
    volumes: (volumes.Volumes ?? []).filter((each) => own(each.Labels) || wanted.volumes.includes(each.Name)),
  }
}

function observed(summary: ContainerSummary): ObservedContainer {
  const labels = summary.Labels ?? {}
  return {
    id: summary.Id,
    name: nameOf(summary),
    service: labels[label.service] ?? '',
    number: Number(labels[label.number] ?? 0) || 0,
    oneOff: labels[label.oneOff] === 'True',
    state: summary.State,
    status: summary.Status,
    configHash: labels[label.configHash] ?? '',
    image: labels[label.image] ?? '',
    config: labels[configLabel] ?? '',
    summary,
  }
}

/** Links give a container names with another slash in them. */
function nameOf({ Names, Id }: ContainerSummary): string {
  const own = (Names ?? []).find((name) => name.lastIndexOf('/') === 0)
  return own?.slice(1) ?? Id.slice(0, 12)
}

function byServiceAndNumber(a: ObservedContainer, b: ObservedContainer): number {
  if (a.service !== b.service) return a.service < b.service ? -1 : 1
  return a.number - b.number
}
