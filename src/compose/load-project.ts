/** Compose files to a project: the whole way. */
import { checkConsistency } from './consistency.ts'
import { loadTree } from './load-tree.ts'
import {
  config,
  model,
  network,
  secret,
  service,
  volume,
  type FileObject,
  type Project,
  type Service,
} from './model/project-model.ts'
import type { Shape } from './model/shape.ts'
import { ComposeError, get, isNull, mapping, nowhere, put, textOf, type Mapping, type Node } from './node.ts'
import { normalize } from './normalize.ts'
import type { RemoteFiles } from './remote/remote-file.ts'
import { projectName } from './project-name.ts'
import { shownFile, type Environment, type LoadOptions, type SourceFile, type Surroundings } from './scope.ts'
import { withProfiles } from './selection.ts'
import { withEnvFiles, withLabelFiles } from './service-environment.ts'

export interface ProjectSource extends Surroundings {
  readonly files: readonly SourceFile[]
  /** Where relative paths begin; absolute. */
  readonly folder: string
  /** What the project is called where nothing says so; the folder's name when absent. */
  readonly calledAfter?: string
  /** Told by `--compatibility`, or COMPOSE_COMPATIBILITY. */
  readonly compatibility?: boolean
  /** What was fetched of elsewhere; nothing when absent. */
  readonly remotes?: RemoteFiles
  /** Told by `-p`; empty when it was not. */
  readonly name: string
  readonly profiles: readonly string[]
  /** Absolute, as told by `--env-file` or COMPOSE_ENV_FILES; a `.env` that was found is not among them. */
  readonly envFiles?: readonly string[]
}

export interface LoadedTree {
  readonly name: string
  readonly environment: Environment
  readonly tree: Mapping
}

/** The tree of all files, for those who want it as it is; `normalization` has been done if it was asked for. */
export function loadModel(source: ProjectSource, options: LoadOptions): LoadedTree {
  const name = projectName({
    ...source,
    folder: source.calledAfter ?? source.folder,
    told: source.name,
    interpolation: options.interpolation,
  })
  const environment = new Map(source.environment).set('COMPOSE_PROJECT_NAME', name)
  const { folder, sources, remotes = new Map() } = source
  const tree = loadTree(source.files, { options, folder, environment, sources, remotes, includedBy: [] })
  if (tree.kind !== 'mapping' || tree.entries.size === 0)
    throw new ComposeError({ ...nowhere, file: shownFile(source.files[0]?.path ?? '') }, 'empty compose file')
  if (name === '') throw new ComposeError(nowhere, 'project name must not be empty')
  return { name, environment, tree: options.normalization ? normalize(tree, name, environment) : tree }
}

export function loadProject(source: ProjectSource, options: LoadOptions): Project {
  const { name, environment, tree: whole } = loadModel(source, options)
  const tree = withServiceFiles(whole, {
    environment,
    sources: source.sources,
    options,
    profiles: source.profiles,
  })
  const services = section(tree, 'services', service)
  for (const [key, { value }] of entriesOf(tree, 'services'))
    if (isNull(value)) throw new ComposeError(value.at, `services.${key} must be a mapping`)
  const project: Project = {
    name,
    separator: source.compatibility ? '_' : '-',
    folder: source.folder,
    files: source.files.map(({ path }) => path),
    envFiles: source.envFiles ?? [],
    environment,
    sources: source.sources,
    services,
    disabled: new Map(),
    networks: section(tree, 'networks', network),
    volumes: section(tree, 'volumes', volume),
    secrets: section(tree, 'secrets', secret),
    configs: withContents(section(tree, 'configs', config), environment),
    models: section(tree, 'models', model),
    extensions: new Map(
      [...tree.entries].flatMap(([key, { value }]) => (key.startsWith('x-') ? [[key, value] as const] : [])),
    ),
    tree,
  }
  const active = withProfiles(project, source.profiles)
  if (!options.consistency) return active
  checkConsistency(active)
  return {
    ...active,
    services: new Map(Array.from(active.services, ([key, each]) => [key, withReplicas(each)])),
  }
}

/** Docker: `scale` and `deploy.replicas` are one number, written twice. */
function withReplicas(each: Service): Service {
  const { scale, deploy } = each
  return scale === undefined || !deploy ? each : { ...each, deploy: { ...deploy, replicas: scale } }
}

function entriesOf(tree: Mapping, key: string): readonly (readonly [string, { value: Node }])[] {
  const found = get(tree, key)
  return found?.kind === 'mapping' ? [...found.entries] : []
}

function section<T>(tree: Mapping, key: string, shape: Shape<T>): ReadonlyMap<string, T> {
  return new Map(
    entriesOf(tree, key).map(([name, { value }]) => [
      name,
      isNull(value) ? shape.absent : shape.read(value, `${key}.${name}`),
    ]),
  )
}

interface FileOptions extends Surroundings {
  readonly options: LoadOptions
  readonly profiles: readonly string[]
}

/** Files of services that no profile activates are not looked at. */
function withServiceFiles(tree: Mapping, { environment, sources, options, profiles }: FileOptions): Mapping {
  const services = get(tree, 'services')
  if (services?.kind !== 'mapping') return tree
  const o = { environment, sources, warn: options.warn }
  const keep = options.keepLabelFiles ?? false
  const changed = Array.from(services.entries, ([name, { at, value }]) => {
    if (value.kind !== 'mapping' || !isActive(value, profiles)) return [name, { at, value }] as const
    const resolved = options.envResolution ? withEnvFiles(value, o) : value
    return [name, { at, value: withLabelFiles(resolved, { ...o, keep }) }] as const
  })
  return put(tree, 'services', mapping(changed, services.at))
}

function isActive(service: Mapping, profiles: readonly string[]): boolean {
  const own = get(service, 'profiles')
  if (own?.kind !== 'sequence' || own.items.length === 0 || profiles.includes('*')) return true
  return own.items.some((item) => profiles.includes(textOf(item) ?? ''))
}

/** What a config takes from a variable is known at once. */
function withContents(
  configs: ReadonlyMap<string, FileObject>,
  environment: Environment,
): ReadonlyMap<string, FileObject> {
  return new Map(
    Array.from(configs, ([name, each]) => {
      const content = each.environment === '' ? undefined : environment.get(each.environment)
      return [name, content === undefined ? each : { ...each, content }]
    }),
  )
}
