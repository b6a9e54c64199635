/**
 * One Compose file over another, by the rules of the specification ("Merge and override"): mappings by key, lists one after
 * the other, and what is special for some keys. Lists whose items have a name are made unique afterwards (unique.ts).
 */
import { toMapping, toSequence } from './forms/sequences.ts'
import {
  ComposeError,
  dotted,
  get,
  isNull,
  mapping,
  scalar,
  sequence,
  textOf,
  type Mapping,
  type Node,
  type Path,
} from './node.ts'
import { PathTable } from './path-table.ts'

type Rule = (base: Node, over: Node, path: Path) => Node

export function merge(base: Node, over: Node, path: Path = []): Node {
  if (isNull(over)) return base
  if (isNull(base)) return over
  const rule = rules.find(path)
  return rule ? rule(base, over, path) : plainly(base, over, path)
}

function plainly(base: Node, over: Node, path: Path): Node {
  if (base.kind === 'mapping') return mappings(base, expect('mapping', over, path) as Mapping, path)
  if (base.kind === 'sequence') return appended(base, expect('sequence', over, path))
  return over
}

function expect(kind: Node['kind'], node: Node, path: Path): Node {
  if (node.kind === kind) return node
  throw new ComposeError(node.at, `cannot override ${dotted(path)}: it is a ${kind} in the file before`)
}

function mappings(base: Mapping, over: Mapping, path: Path): Mapping {
  const entries = new Map(base.entries)
  for (const [key, entry] of over.entries) {
    const before = entries.get(key)
    const value = before ? merge(before.value, entry.value, [...path, key]) : entry.value
    entries.set(key, { at: entry.at, value })
  }
  return mapping(entries, over.at)
}

function appended(base: Node, over: Node): Node {
  const items = [base, over].flatMap((node) => (node.kind === 'sequence' ? node.items : [node]))
  return sequence(items, over.at)
}

const replaced: Rule = (_, over) => over
const asSequences: Rule = (base, over) => appended(toSequence(base), toSequence(over))

/** Options of different drivers have nothing to do with each other. */
const logging: Rule = (base, over, path) => {
  const [before, after] = [get(base, 'driver'), get(over, 'driver')]
  return before && after && textOf(before) !== textOf(after) ? over : plainly(base, over, path)
}

const build: Rule = (base, over, path) => plainly(buildOf(base), buildOf(over), path)
const buildOf = (node: Node) => (node.kind === 'scalar' ? mapping([['context', node]], node.at) : node)

const dependsOn: Rule = (base, over, path) =>
  plainly(toMapping(base, started), toMapping(over, started), path)
const started = (item: Node) =>
  mapping(
    [
      ['condition', scalar('service_started', item.at)],
      ['required', scalar(true, item.at)],
    ],
    item.at,
  )

const named: Rule = (base, over, path) => plainly(toMapping(base, nothing), toMapping(over, nothing), path)
const nothing = (item: Node) => scalar(null, item.at)

/** Pools of addresses by their subnet. */
const pools: Rule = (base, over, path) => {
  if (base.kind !== 'sequence' || over.kind !== 'sequence') return plainly(base, over, path)
  const subnet = (node: Node) => textOf(get(node, 'subnet'))
  const later = new Map(over.items.map((item) => [subnet(item), item]))
  const known = new Set(base.items.map(subnet))
  const changed = base.items.map((item) => {
    const other = later.get(subnet(item))
    return other ? merge(item, other, [...path, '[]']) : item
  })
  return sequence([...changed, ...over.items.filter((item) => !known.has(subnet(item)))], over.at)
}

const rules = new PathTable<Rule>({
  'networks.*.ipam.config': pools,
  'networks.*.labels': asSequences,
  'volumes.*.labels': asSequences,
  'services.*.annotations': asSequences,
  'services.*.build': build,
  'services.*.build.additional_contexts': asSequences,
  'services.*.build.args': asSequences,
  'services.*.build.extra_hosts': asSequences,
  'services.*.build.labels': asSequences,
  'services.*.command': replaced,
  'services.*.depends_on': dependsOn,
  'services.*.deploy.labels': asSequences,
  'services.*.dns': asSequences,
  'services.*.dns_opt': asSequences,
  'services.*.dns_search': asSequences,
  'services.*.entrypoint': replaced,
  'services.*.env_file': asSequences,
  'services.*.environment': asSequences,
  'services.*.extra_hosts': asSequences,
  'services.*.healthcheck.test': replaced,
  'services.*.label_file': asSequences,
  'services.*.labels': asSequences,
  'services.*.logging': logging,
  'services.*.models': named,
  'services.*.networks': named,
  'services.*.provider': asSequences,
  'services.*.sysctls': asSequences,
  'services.*.tmpfs': asSequences,
  'services.*.ulimits.*': replaced,
  'services.*.volumes.*.volume.labels': asSequences,
})
