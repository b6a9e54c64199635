/** Every short form of a Compose file as its long one, so that what follows has one form to look at. */
import {
  ComposeError,
  get,
  isNull,
  mapBelow,
  mapping,
  printed,
  put,
  scalar,
  sequence,
  textOf,
  type Mapping,
  type Node,
  type Path,
} from '../node.ts'
import { PathTable } from '../path-table.ts'
import { parsePorts } from './port.ts'
import { fromPairs, toMapping } from './sequences.ts'
import { parseVolume } from './volume.ts'

/** `lenient`: variables are still in the texts; what cannot be taken apart stays as it is. */
export interface FormOptions {
  readonly lenient: boolean
  readonly warn: (text: string) => void
}

type Form = (node: Node, o: FormOptions) => Node

export function canonical(node: Node, o: FormOptions, path: Path = []): Node {
  const whole = forms.find(path)?.(node, o) ?? node
  return mapBelow(whole, path, (below, place) => canonical(below, o, place))
}

const inList: Form = (node) => (node.kind === 'scalar' && !isNull(node) ? sequence([node], node.at) : node)
const under =
  (key: string): Form =>
  (node) =>
    node.kind === 'scalar' && !isNull(node) ? mapping([[key, node]], node.at) : node

/** Sets what is not there. */
function withDefault(node: Node, key: string, value: string | boolean): Node {
  return node.kind !== 'mapping' || node.entries.has(key) ? node : put(node, key, scalar(value, node.at))
}

const dependsOn: Form = (node) => {
  const all = toMapping(node, (item) => mapping([], item.at))
  if (all.kind !== 'mapping') return all
  const entries = Array.from(all.entries, ([key, { at, value }]) => {
    const dependency = withDefault(withDefault(value, 'condition', 'service_started'), 'required', true)
    return [key, { at, value: dependency }] as const
  })
  return mapping(entries, all.at)
}

const envFiles: Form = (node, o) => {
  const all = inList(node, o)
  if (all.kind !== 'sequence') return all
  return sequence(
    all.items.map((item) => withDefault(under('path')(item, o), 'required', true)),
    all.at,
  )
}

const gpus: Form = (node) =>
  node.kind === 'scalar' ? sequence([mapping([['count', node]], node.at)], node.at) : node

const volume: Form = (node) => {
  const text = textOf(node)
  return text === undefined ? node : parseVolume(text, node.at).node
}

const ports: Form = (node, o) => {
  if (node.kind !== 'sequence') return node
  const long = (item: Node): Node[] => (item.kind === 'scalar' ? parsePorts(printed(item), item.at) : [item])
  try {
    return sequence(node.items.flatMap(long), node.at)
  } catch (error) {
    // Docker: one that has a variable in it leaves all of them short.
    if (o.lenient && error instanceof ComposeError) return node
    throw error
  }
}

const device: Form = (node) => {
  const text = textOf(node)
  if (text === undefined) return node
  const [source = '', target = source, permissions = 'rwm', ...more] = text.split(':')
  if (more.length > 0)
    throw new ComposeError(node.at, `confusing device mapping, please use long syntax: ${text}`)
  return mapping(
    [
      ['source', scalar(source, node.at)],
      ['target', scalar(target, node.at)],
      ['permissions', scalar(permissions, node.at)],
    ],
    node.at,
  )
}

const asMapping: Form = (node) => fromPairs(node) ?? node

/** `external: {name: x}`, the form of old files. */
const resource: Form = (node, o) => {
  if (node.kind !== 'mapping') return node
  const external = get(node, 'external')
  if (external?.kind !== 'mapping') return node
  const inner = get(external, 'name')
  const outer = get(node, 'name')
  if (inner && outer && textOf(inner) !== textOf(outer))
    throw new ComposeError(inner.at, 'name and external.name conflict; only use name')
  o.warn(
    `${inner ? `${textOf(inner)}: ` : ''}external.name is deprecated. Please set name and external: true`,
  )
  const named: Mapping = inner ? put(node, 'name', inner) : node
  return put(named, 'external', scalar(true, external.at))
}

/** Several paths are as many watches. */
const watch: Form = (node) => {
  if (node.kind !== 'sequence') return node
  return sequence(
    node.items.flatMap((item) => {
      const path = get(item, 'path')
      if (item.kind !== 'mapping' || path?.kind !== 'sequence') return [item]
      return path.items.map((each) => put(item, 'path', each))
    }),
    node.at,
  )
}

const fileReference = under('source')

const forms = new PathTable<Form>({
  'services.*.build': under('context'),
  'services.*.build.additional_contexts': asMapping,
  'services.*.build.secrets.*': fileReference,
  'services.*.build.ssh': asMapping,
  'services.*.configs.*': fileReference,
  'services.*.depends_on': dependsOn,
  'services.*.develop.watch': watch,
  'services.*.devices.*': device,
  'services.*.dns': inList,
  'services.*.env_file': envFiles,
  'services.*.extends': under('service'),
  'services.*.gpus': gpus,
  'services.*.label_file': inList,
  'services.*.models': (node) => toMapping(node, (item) => scalar(null, item.at)),
  'services.*.networks': (node) => toMapping(node, (item) => scalar(null, item.at)),
  'services.*.ports': ports,
  'services.*.secrets.*': fileReference,
  'services.*.volumes.*': volume,
  'configs.*': resource,
  'networks.*': resource,
  'secrets.*': resource,
  'volumes.*': resource,
})
