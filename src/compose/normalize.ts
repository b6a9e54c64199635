/** What Compose files leave to be understood: the default network, names of resources, dependencies by other words. */
import {
  get,
  isNull,
  mapping,
  put,
  scalar,
  textOf,
  update,
  type Entry,
  type Mapping,
  type Node,
} from './node.ts'
import { fromPairs } from './forms/sequences.ts'
import type { Environment } from './scope.ts'

export function normalize(tree: Mapping, name: string, environment: Environment): Mapping {
  const services = get(tree, 'services')
  const changed =
    services?.kind === 'mapping'
      ? put(
          tree,
          'services',
          each(services, (node) => service(node, environment)),
        )
      : tree
  const named = ['networks', 'volumes', 'configs', 'secrets'].reduce(
    (all, section) => withNames(all, section, name),
    withDefaultNetwork(changed),
  )
  return put(named, 'name', scalar(name))
}

function each(node: Mapping, change: (value: Mapping) => Node): Mapping {
  return mapping(
    Array.from(node.entries, ([key, { at, value }]) => [
      key,
      { at, value: value.kind === 'mapping' ? change(value) : value },
    ]),
    node.at,
  )
}

function service(node: Mapping, environment: Environment): Mapping {
  let changed = node
  if (!['networks', 'network_mode', 'provider'].some((key) => has(node, key)))
    changed = put(changed, 'networks', mapping([['default', scalar(null, node.at)]], node.at))
  if (textOf(get(changed, 'pull_policy')) === 'if_not_present')
    changed = update(changed, ['pull_policy'], ({ at }) => scalar('missing', at)) as Mapping // one key of it
  const build = get(changed, 'build')
  if (build?.kind === 'mapping') changed = put(changed, 'build', withBuildDefaults(build, environment))
  return withDependencies(changed)
}

/** Docker: an empty mapping or list is as good as none. */
function has(node: Mapping, key: string): boolean {
  const found = get(node, key)
  if (!found || isNull(found) || textOf(found) === '') return false
  return found.kind === 'scalar' || (found.kind === 'mapping' ? found.entries.size : found.items.length) > 0
}

function withBuildDefaults(build: Mapping, environment: Environment): Mapping {
  const inline = has(build, 'dockerfile_inline')
  const named =
    inline || has(build, 'dockerfile') ? build : put(build, 'dockerfile', scalar('Dockerfile', build.at))
  const args = fromPairs(get(named, 'args') ?? scalar(null))
  if (!args) return named
  // Docker: arguments without a value here or in the surroundings are not sent.
  const entries = Array.from(args.entries).flatMap(([key, entry]): [string, Entry][] => {
    if (!isNull(entry.value)) return [[key, entry]]
    const value = environment.get(key)
    return value === undefined ? [] : [[key, { at: entry.at, value: scalar(value, entry.at) }]]
  })
  return put(named, 'args', mapping(entries, args.at))
}

/** Links, shared namespaces and `volumes_from` make a service wait for another one. */
function withDependencies(node: Mapping): Mapping {
  const found = get(node, 'depends_on')
  const entries = new Map<string, Entry>(found?.kind === 'mapping' ? found.entries : [])
  const add = (name: string, { at }: Node, restart: boolean) => {
    if (entries.has(name)) return
    const value = mapping(
      [
        ['condition', scalar('service_started', at)],
        ['restart', scalar(restart, at)],
        ['required', scalar(true, at)],
      ],
      at,
    )
    entries.set(name, { at, value })
  }
  for (const item of itemsOf(get(node, 'links'))) add((textOf(item) ?? '').split(':')[0] ?? '', item, true)
  for (const key of ['network_mode', 'ipc', 'pid', 'uts', 'cgroup']) {
    const space = get(node, key)
    const name = /^service:(.*)$/.exec(textOf(space) ?? '')?.[1]
    if (space && name !== undefined) add(name, space, true)
  }
  for (const item of itemsOf(get(node, 'volumes_from'))) {
    const from = textOf(item) ?? ''
    if (!from.startsWith('container:')) add(from.split(':')[0] ?? '', item, false)
  }
  return entries.size === 0 ? node : put(node, 'depends_on', mapping(entries, found?.at ?? node.at))
}

function itemsOf(node: Node | undefined): readonly Node[] {
  return node?.kind === 'sequence' ? node.items : []
}

function withDefaultNetwork(tree: Mapping): Mapping {
  const services = get(tree, 'services')
  const used =
    services?.kind === 'mapping' &&
    [...services.entries.values()].some(({ value }) => get(value, 'networks', 'default') !== undefined)
  const networks = get(tree, 'networks')
  if (!used || get(networks, 'default')) return tree
  const entries = networks?.kind === 'mapping' ? [...networks.entries] : []
  return put(tree, 'networks', mapping([...entries, ['default', scalar(null)]], networks?.at))
}

/** `project_key`; what is external has the name of its key. */
function withNames(tree: Mapping, section: string, project: string): Mapping {
  const all = get(tree, section)
  if (all?.kind !== 'mapping') return tree
  const entries = Array.from(all.entries, ([key, { at, value }]) => {
    const resource = value.kind === 'mapping' ? value : mapping([], value.at)
    if (has(resource, 'name')) return [key, { at, value: resource }] as const
    const external = get(resource, 'external')
    const own = external?.kind === 'scalar' && external.value === true ? key : `${project}_${key}`
    return [key, { at, value: put(resource, 'name', scalar(own, at)) }] as const
  })
  return put(tree, section, mapping(entries, all.at))
}
