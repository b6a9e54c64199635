/** What is wrong with a project that can be loaded, and that would stop it half-way: found before anything is made. */
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { mountedFiles, writtenFiles } from '../desired/file-objects.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Project } from '../model/project-model.ts'
import { ComposeError, get, nowhere, printed, type Node, type Path, type Place } from '../node.ts'
import { checkPorts } from './check-ports.ts'
import { keyChecks, valueChecks } from './value-checks.ts'

/** Looks at services that take part and at the networks of the project. Throws ComposeError for the first fault. */
export function checkRunnable(project: Project): void {
  for (const name of project.services.keys()) {
    visit(get(project.tree, 'services', name), ['services', name])
    checkFiles(project, name)
    checkHosts(project, name)
  }
  for (const name of project.networks.keys()) visit(get(project.tree, 'networks', name), ['networks', name])
  checkPorts(project)
}

/** `shown` has the numbers of items where `path` has `[]`. */
function visit(node: Node | undefined, path: Path, shown: Path = path): void {
  if (!node) return
  switch (node.kind) {
    case 'mapping':
      for (const [key, { at, value }] of node.entries) {
        refuse(keyChecks.find([...path, key])?.(key), at, [...shown, key])
        visit(value, [...path, key], [...shown, key])
      }
      return
    case 'sequence':
      for (const [index, item] of node.items.entries())
        visit(item, [...path, '[]'], [...shown, String(index)])
      return
    case 'scalar': {
      const text = node.value === null ? '' : printed(node)
      if (text !== '') refuse(valueChecks.find(path)?.(text), node.at, shown)
    }
  }
}

function refuse(why: string | undefined, at: Place, path: Path): void {
  if (why !== undefined) throw new ComposeError(at, `${path.join('.')}: ${why}`)
}

function checkHosts(project: Project, name: string): void {
  const at = get(project.tree, 'services', name, 'extra_hosts')?.at ?? nowhere
  for (const [host, addresses] of project.services.get(name)?.extra_hosts ?? [])
    for (const address of addresses)
      if (isIP(address) === 0 && address !== 'host-gateway')
        refuse(`invalid IP address in add-host: ${JSON.stringify(address)}`, at, [
          'services',
          name,
          'extra_hosts',
          host,
        ])
}

/** Secrets and configs have to be there. They are read again when they are needed, and not kept. */
function checkFiles(project: Project, name: string): void {
  const service = project.services.get(name)
  if (!service) return
  for (const kind of ['secrets', 'configs'] as const)
    for (const [index, reference] of service[kind].entries()) {
      const alone = { ...service, secrets: [], configs: [], [kind]: [reference] }
      try {
        for (const { source, what } of mountedFiles(alone, { project, name }))
          if (!existsSync(source))
            throw new EngineError('not-found', `${what}: file ${source} does not exist`)
        writtenFiles(alone, { project, name })
      } catch (error) {
        if (!(error instanceof EngineError)) throw error
        const list = get(project.tree, 'services', name, kind)
        const at = list?.kind === 'sequence' ? list.items[index]?.at : undefined
        throw new ComposeError(at ?? nowhere, `services.${name}.${kind}.${index}: ${error.message}`, {
          cause: error,
        })
      }
    }
}
