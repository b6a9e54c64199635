/** The project that a command of compose works on: from its files, or from what carries its name. */
import {
  checkContainerNames,
  findProject,
  graphOfContainers,
  graphOfServices,
  loadProject,
  observeContainers,
  withServices,
  withUsedResources,
  type LoadOptions,
  type ObservedContainer,
  type Project,
  type RemoteFiles,
  type ServiceGraph,
} from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Context } from '../command.ts'
import { composeFlags } from '../commands/compose.ts'
import { withRemoteFiles } from './remote-files.ts'

export interface OpenOptions {
  /** Only these and what they depend on; all when empty. A name activates its service whatever its profiles. */
  readonly services?: readonly string[]
  /** Fill environments from `env_file`: for what makes containers. Else the files need not even be there. */
  readonly envResolution?: boolean
  /** Instead of those of the command line and the environment. */
  readonly profiles?: readonly string[]
  /** Keep networks, volumes, … that no selected service uses. */
  readonly allResources?: boolean
}

/** Commands that need the files. Throws ComposeError with the place of a fault. */
export function openProject(context: Context, o: OpenOptions = {}): Promise<Project> {
  const warn = warnOnce(context)
  return withRemoteFiles(context, (remotes) => open(context, { ...o, remotes, warn }))
}

function open(
  context: Context,
  { remotes, warn, ...o }: OpenOptions & { remotes: RemoteFiles; warn: (text: string) => void },
): Project {
  const compose = composeFlags(context)
  const given = o.profiles ? { ...compose, profiles: o.profiles } : compose
  const source = findProject(given, { cwd: process.cwd(), environment: process.env, warn, remotes })
  const options: LoadOptions = {
    interpolation: true,
    normalization: true,
    pathResolution: true,
    consistency: true,
    envResolution: o.envResolution ?? false,
    keepLabelFiles: true,
    warn,
  }
  const selected = withServices(loadProject(source, options), o.services ?? [])
  checkContainerNames(selected)
  return compose.allResources || o.allResources ? selected : withUsedResources(selected)
}

/** A project that runs. `project` is absent when there was only a name (`-p`) to find it by. */
export interface RunningProject {
  readonly name: string
  readonly project: Project | undefined
  /** Of all active services, or of those that have containers. */
  readonly graph: ServiceGraph
  readonly containers: readonly ObservedContainer[]
}

/**
 * Commands that do without files: `-p NAME`, or COMPOSE_PROJECT_NAME where no file is found, names the containers. `services`
 * must be services of it; those with containers but no longer in the files count, too.
 */
export async function openRunning(
  context: Context,
  o: { services?: readonly string[]; oneOff?: 'exclude' | 'include' | 'only'; running?: boolean } = {},
): Promise<RunningProject> {
  const { name, project } = await projectOrName(context, o.services ?? [])
  const containers = await observeContainers(context.client, name, {
    oneOff: o.oneOff ?? 'exclude',
    running: o.running ?? false,
  })
  const graph = graphOf(project, containers)
  for (const service of o.services ?? [])
    if (!graph.has(service) && !containers.some((each) => each.service === service))
      throw new EngineError('not-found', `no such service: ${service}`)
  return { name, project, graph, containers }
}

/** Of all active services, or of those that have containers. */
export function graphOf(
  project: Project | undefined,
  containers: readonly ObservedContainer[],
): ServiceGraph {
  return project ? graphOfServices(project.services) : graphOfContainers(containers)
}

/** docker compose: files are asked where some are named or no name is; a name in the environment saves from having none. */
export async function projectOrName(
  context: Context,
  services: readonly string[] = [],
): Promise<{ name: string; project: Project | undefined }> {
  const compose = composeFlags(context)
  if (compose.files.length === 0 && compose.projectName !== '')
    return { name: compose.projectName, project: undefined }
  try {
    const project = await openProject(context, { allResources: true })
    // A name activates its service; those that are not in the files may still have containers.
    const known = services.filter((each) => project.services.has(each) || project.disabled.has(each))
    return { name: project.name, project: known.length > 0 ? activated(project, known) : project }
  } catch (error) {
    const told = process.env['COMPOSE_PROJECT_NAME']
    if (!told || compose.files.length > 0) throw error
    return { name: told, project: undefined }
  }
}

function activated(project: Project, names: readonly string[]): Project {
  const services = new Map(project.services)
  for (const name of names) {
    const found = project.disabled.get(name)
    if (found) services.set(name, found)
  }
  return { ...project, services }
}

/** Says each warning once. */
export function warnOnce(context: Context): (text: string) => void {
  const told = new Set<string>()
  return (text) => {
    if (!told.has(text)) context.err(`WARN ${text}\n`)
    told.add(text)
  }
}
