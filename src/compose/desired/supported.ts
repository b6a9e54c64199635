/** Keys of services that no engine of one host can do: refused where the service would not be what it says, else told. */
import { ComposeError, get, isNull, nowhere, shownPlace, type Node, type Place } from '../node.ts'
import type { Project } from '../model/project-model.ts'

/** Without them the service would be something else. */
const refused: Readonly<Record<string, string>> = {
  provider: 'services of providers are not supported: docker compose hands them to a program of their own',
  models: 'models are not supported: docker compose hands them to Docker Model Runner',
  credential_spec: 'credential_spec is for Windows containers',
  use_api_socket:
    'use_api_socket is not supported: mount the socket, which gives the container the whole host',
}

/** Docker compose ignores them, and says nothing. */
const swarm: readonly (readonly string[])[] = [
  ['mode'],
  ['endpoint_mode'],
  ['placement'],
  ['labels'],
  ['update_config'],
  ['rollback_config'],
  ['restart_policy', 'delay'],
  ['restart_policy', 'window'],
  ['resources', 'reservations', 'cpus'],
  ['resources', 'reservations', 'generic_resources'],
]

/** Throws ComposeError with the place of what is refused. */
export function checkSupported(project: Project, warn: (text: string) => void): void {
  for (const name of project.services.keys()) {
    const service = get(project.tree, 'services', name)
    for (const [key, why] of Object.entries(refused))
      if (isSaid(get(service, key)))
        throw new ComposeError(placeOf(service, key), `services.${name}.${key}: ${why}`)
    for (const path of swarm) {
      const value = get(service, 'deploy', ...path)
      // What is said of a mode that is no other than ours need not be told.
      if (!isSaid(value) || (path[0] === 'mode' && value?.kind === 'scalar' && value.value === 'replicated'))
        continue
      const at = value ? `${shownPlace(value.at)}: ` : ''
      warn(`${at}services.${name}.deploy.${path.join('.')} is for Swarm: it has no effect here`)
    }
  }
}

function isSaid(node: Node | undefined): boolean {
  if (!node || isNull(node)) return false
  if (node.kind === 'scalar') return node.value !== false && node.value !== ''
  return node.kind === 'sequence' ? node.items.length > 0 : node.entries.size > 0
}

function placeOf(service: Node | undefined, key: string): Place {
  return (service?.kind === 'mapping' ? service.entries.get(key)?.at : undefined) ?? nowhere
}
