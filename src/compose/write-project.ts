/** A project as `compose config` prints it. */
import {
  config,
  model,
  network,
  secret,
  service,
  volume,
  type FileObject,
  type Project,
} from './model/project-model.ts'
import { nodeOut, type Format, type Shape } from './model/shape.ts'
import type { Node } from './node.ts'
import { Fields, type Out } from './out.ts'
import { writeJson } from './write-json.ts'
import { writeYaml } from './yaml/write-yaml.ts'

export function writeProject(project: Project, format: Format): string {
  const sections: readonly (readonly [string, Out | undefined])[] = [
    ['name', project.name],
    ['services', section(project.services, service, format) ?? new Map<string, Out>()],
    ['networks', section(project.networks, network, format)],
    ['volumes', section(project.volumes, volume, format)],
    [
      'secrets',
      section(
        hideContents(project.secrets, () => true),
        secret,
        format,
      ),
    ],
    [
      'configs',
      section(
        hideContents(project.configs, (each) => each.environment !== ''),
        config,
        format,
      ),
    ],
    ['models', section(project.models, model, format)],
  ]
  const entries = [
    ...sections.flatMap(([key, out]) => (out === undefined ? [] : [[key, out] as const])),
    ...Array.from(project.extensions, ([key, node]) => [key, nodeOut(node)] as const).toSorted(([a], [b]) =>
      a < b ? -1 : 1,
    ),
  ]
  // Docker: JSON has the sections in order of their names.
  return format === 'json' ? writeJson(new Map(entries), '  ') : writeYaml(new Fields(entries))
}

/** Names of images by service, as a Compose file that goes over another one. */
export function writeImages({ services }: Project, format: Format): string {
  const images = Array.from(services, ([name, { image }]): [string, Out] => [
    name,
    new Fields(format === 'yaml' ? [['image', image]] : [...nothing, ['image', image]]),
  ])
  const all: [string, Out][] = [['services', new Map(images)]]
  return format === 'json' ? writeJson(new Map([['name', ''], ...all]), '  ') : writeYaml(new Fields(all))
}

/** Docker's JSON has these whether there is something to say or not. */
const nothing: readonly [string, Out][] = [
  ['command', null],
  ['entrypoint', null],
]

/** A tree that is no project yet: keys in order, values as they are. */
export function writeTree(tree: Node, format: Format): string {
  return format === 'json' ? writeJson(nodeOut(tree), '  ') : writeYaml(nodeOut(tree))
}

function section<T>(all: ReadonlyMap<string, T>, shape: Shape<T>, format: Format): Out | undefined {
  if (all.size === 0) return undefined
  return new Map(Array.from(all, ([name, value]) => [name, shape.write(value, format) ?? new Fields([])]))
}

/** Content that somebody else has is not printed. */
function hideContents(
  all: ReadonlyMap<string, FileObject>,
  hidden: (each: FileObject) => boolean,
): ReadonlyMap<string, FileObject> {
  return new Map(Array.from(all, ([name, each]) => [name, hidden(each) ? { ...each, content: '' } : each]))
}
