/** Variables in a whole tree: every text but keys. */
import { casts } from './casts.ts'
import {
  ComposeError,
  dotted,
  mapBelow,
  scalar,
  type Node,
  type Path,
  type Place,
  type UsedVariable,
} from './node.ts'
import { substitute, TemplateError, variablesOf, type Lookup } from './template.ts'

export interface Interpolation {
  readonly lookup: Lookup
  /** Where the value of a variable is from. */
  readonly placeOf: (name: string) => Place
  /** Hears of variables without a value and a default. */
  readonly missing: (name: string) => void
}

/** The same tree with variables replaced and texts cast to what their keys want. */
export function interpolate(node: Node, o: Interpolation, path: Path = []): Node {
  if (node.kind !== 'scalar') return mapBelow(node, path, (below, place) => interpolate(below, o, place))
  if (typeof node.value !== 'string') return node
  const text = replaced(node.value, o, ({ problem, message }) => {
    const what = problem === 'format' ? 'invalid interpolation format for' : 'error while interpolating'
    return new ComposeError(node.at, `${what} ${dotted(path)}: ${message}`)
  })
  const at = { ...node.at, ...used(node.value, o) }
  const cast = casts.find(path)
  return cast ? cast(text, { ...node, at }, dotted(path)) : text === node.value ? node : scalar(text, at)
}

function replaced(text: string, o: Interpolation, fault: (error: TemplateError) => Error): string {
  try {
    return substitute(text, o.lookup, o.missing)
  } catch (error) {
    throw error instanceof TemplateError ? fault(error) : error
  }
}

/** The variables of a text, for its place. */
export function used(
  text: string,
  { lookup, placeOf }: Pick<Interpolation, 'lookup' | 'placeOf'>,
): { variables?: readonly UsedVariable[] } {
  if (!text.includes('$')) return {}
  const names = [...new Set(variablesOf(text).map(({ name }) => name))]
  if (names.length === 0) return {}
  return { variables: names.map((name) => ({ name, value: lookup(name), at: placeOf(name) })) }
}
