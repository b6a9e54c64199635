/** What the engine refuses, with the line of the file that asked for it: the engine does not know the file. */
import { DaemonError } from '../../client/index.ts'
import type { Project } from '../model/project-model.ts'
import { ComposeError, get, printed, type Node, type Path, type Place } from '../node.ts'

interface Named {
  readonly path: Path
  readonly at: Place
  readonly text: string
}

/** The error with a place; other errors as they are, and so all where there are no files. */
export function refusedAt(project: Project | undefined, service: string, error: unknown): unknown {
  if (!project || !(error instanceof DaemonError)) return error
  const root: Path = ['services', service]
  const services = get(project.tree, 'services')
  const own = services?.kind === 'mapping' ? services.entries.get(service) : undefined
  if (!own) return error
  // The longest value that the engine's words name is what they are about.
  const [found] = named(own.value, root)
    .filter(({ text }) => mentions(error.message, text))
    .toSorted((a, b) => b.text.length - a.text.length)
  const { path, at } = found ?? { path: root, at: own.at }
  const message = error.message.replaceAll('\n', ' ')
  return new ComposeError(at, `${path.join('.')}: ${message}`, { cause: error })
}

/** Shorter words stand in any sentence. */
const shortest = 3

function mentions(message: string, text: string): boolean {
  if (text.length < shortest) return false
  for (let at = message.indexOf(text); at >= 0; at = message.indexOf(text, at + 1)) {
    const [before, after] = [message[at - 1] ?? ' ', message[at + text.length] ?? ' ']
    if (!/[\w-]/.test(before) && !/[\w-]/.test(after)) return true
  }
  return false
}

/** Below these, keys are what somebody chose. */
const freeKeys = new Set(['sysctls', 'storage_opt', 'ulimits'])

/** Values, and keys that are as good as values. */
function named(node: Node, path: Path): Named[] {
  if (node.kind === 'scalar')
    return node.value === null || node.value === true || node.value === false
      ? []
      : [{ path, at: node.at, text: printed(node) }]
  if (node.kind === 'sequence')
    return node.items.flatMap((item, index) => named(item, [...path, String(index)]))
  return Array.from(node.entries).flatMap(([key, { at, value }]) => {
    const own = [...path, key]
    const free = path.length === 3 && freeKeys.has(path[2] ?? '')
    return [...(free ? [{ path: own, at, text: key }] : []), ...named(value, own)]
  })
}
