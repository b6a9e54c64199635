/** What a project is made of and what leads where, for those who draw it. */
import { imageOf } from '../image-name.ts'
import type { Project, Service } from '../model/project-model.ts'

export type Condition = 'service_started' | 'service_healthy' | 'service_completed_successfully'

export interface GraphPort {
  /** As people type it: `8080`, `127.0.0.1:8080`; empty: the engine chooses. */
  readonly published: string
  /** `8000`, `53/udp`. */
  readonly target: string
}

export interface GraphMount {
  readonly kind: 'volume' | 'bind' | 'tmpfs' | 'other'
  /** Key of a volume, path on the host; empty for what has no name. */
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
}

export interface GraphService {
  readonly name: string
  readonly image: string
  /** Folder or address that it is built from; undefined when its image is pulled. */
  readonly build: string | undefined
  readonly replicas: number
  readonly networks: readonly string[]
  /** `host`, `service:db`; empty with networks of its own. */
  readonly networkMode: string
  readonly ports: readonly GraphPort[]
  readonly mounts: readonly GraphMount[]
  readonly needs: readonly { readonly service: string; readonly condition: Condition }[]
}

export interface GraphResource {
  readonly key: string
  /** As the engine calls it. */
  readonly name: string
  /** `external`, `internal`, a driver that is not the usual one. */
  readonly notes: readonly string[]
}

export interface ProjectGraph {
  readonly name: string
  readonly services: readonly GraphService[]
  readonly networks: readonly GraphResource[]
  readonly volumes: readonly GraphResource[]
}

/** In order of names; paths below the project's folder are relative to it. */
export function projectGraph(project: Project): ProjectGraph {
  return {
    name: project.name,
    services: byName(project.services).map(([name, service]) => serviceOf(project, name, service)),
    networks: byName(project.networks).map(([key, { name, driver, external, internal }]) => ({
      key,
      name,
      notes: notes({ external, internal }, driver),
    })),
    volumes: byName(project.volumes).map(([key, { name, driver, external }]) => ({
      key,
      name,
      notes: notes({ external }, driver),
    })),
  }
}

function byName<T>(all: ReadonlyMap<string, T>): [string, T][] {
  return [...all].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function notes(flags: Readonly<Record<string, boolean>>, driver: string): string[] {
  const told = Object.entries(flags).flatMap(([name, set]) => (set ? [name] : []))
  return ['', 'bridge', 'local', 'default'].includes(driver) ? told : [...told, driver]
}

function serviceOf(project: Project, name: string, service: Service): GraphService {
  const { build } = service
  const below = (path: string) => {
    if (path === project.folder) return '.'
    return path.startsWith(`${project.folder}/`) ? `.${path.slice(project.folder.length)}` : path
  }
  return {
    name,
    image: imageOf(project, name, service),
    build: build && (build.context === '' ? '.' : below(build.context)),
    replicas: service.scale ?? service.deploy?.replicas ?? 1,
    networks: [...service.networks.keys()].toSorted(),
    networkMode: service.network_mode,
    ports: service.ports.map(({ host_ip: ip, published, target, protocol }) => ({
      published:
        ip === '' || published === '' ? published : `${ip.includes(':') ? `[${ip}]` : ip}:${published}`,
      target: protocol === '' || protocol === 'tcp' ? String(target) : `${target}/${protocol}`,
    })),
    mounts: [
      ...service.volumes.map(({ type, source, target, read_only: readOnly }) => ({
        kind: kindOf(type),
        source: type === 'bind' ? below(source) : source,
        target,
        readOnly,
      })),
      ...service.tmpfs.map((text) => ({
        kind: 'tmpfs' as const,
        source: '',
        target: text.split(':')[0] ?? text,
        readOnly: false,
      })),
    ],
    // What no file defines is not started either (`required: false`).
    needs: byName(service.depends_on)
      .filter(([other]) => project.services.has(other))
      .map(([other, { condition }]) => ({ service: other, condition: conditionOf(condition) })),
  }
}

function kindOf(type: string): GraphMount['kind'] {
  return type === 'volume' || type === 'bind' || type === 'tmpfs' ? type : 'other'
}

function conditionOf(text: string): Condition {
  return text === 'service_healthy' || text === 'service_completed_successfully' ? text : 'service_started'
}

/** `8080 → 8000`. */
export function shownPort({ published, target }: GraphPort): string {
  return `${published === '' ? 'any port' : published} → ${target}`
}

/** `data → /var/lib/data (ro)`. */
export function shownMount({ kind, source, target, readOnly }: GraphMount): string {
  const from = source === '' ? (kind === 'tmpfs' ? 'tmpfs' : 'unnamed') : source
  return `${from} → ${target}${readOnly ? ' (ro)' : ''}`
}

/** Words for a condition that is more than having been started. */
export function shownCondition(condition: Condition): string {
  return { service_started: '', service_healthy: 'healthy', service_completed_successfully: 'completed' }[
    condition
  ]
}
