/** What a service takes from containers of others: namespaces and volumes. In bodies and hashes these are ids. */
import type { Service } from '../model/service-model.ts'
import { sharedService } from './names.ts'

/** Id of a container of a service. */
export type FindContainer = (service: string) => string

const modes = ['network_mode', 'ipc', 'pid'] as const

/** Docker: `service:NAME` becomes `container:ID`, and is hashed so: what shares with a new container has to be new, too. */
export function withReferences(service: Service, find: FindContainer): Service {
  const changed: { -readonly [K in (typeof modes)[number] | 'volumes_from']?: Service[K] } = {}
  for (const key of modes) {
    const other = sharedService(service[key])
    if (other !== undefined) changed[key] = `container:${find(other)}`
  }
  if (service.volumes_from.length > 0)
    changed.volumes_from = service.volumes_from.map((from) => volumesFrom(from, find))
  return { ...service, ...changed }
}

/** Services that this one takes something from. */
export function referencesOf(service: Service): string[] {
  const shared = modes.flatMap((key) => sharedService(service[key]) ?? [])
  const volumes = service.volumes_from
    .filter((from) => !from.startsWith('container:'))
    .map((from) => from.split(':')[0] ?? '')
  return [...new Set([...shared, ...volumes])]
}

function volumesFrom(from: string, find: FindContainer): string {
  if (from.startsWith('container:')) return from.slice('container:'.length)
  const [name = '', mode] = from.split(':')
  return mode === undefined ? find(name) : `${find(name)}:${mode}`
}
