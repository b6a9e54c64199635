/** The variables that Compose files name, for `config --variables`. */
import type { Node } from './node.ts'
import { variablesOf, type Variable } from './template.ts'

export interface NamedVariable {
  readonly name: string
  readonly required: boolean
  readonly defaultValue: string
  /** What stands for it when it is set (`:+`). */
  readonly alternative: string
}

/** By name, each once, in order. */
export function variablesIn(tree: Node): NamedVariable[] {
  const all = new Map<string, NamedVariable>()
  visit(tree, (text) => {
    for (const variable of variablesOf(text)) all.set(variable.name, described(variable))
  })
  return [...all.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function visit(node: Node, each: (text: string) => void): void {
  if (node.kind === 'mapping') for (const { value } of node.entries.values()) visit(value, each)
  else if (node.kind === 'sequence') for (const item of node.items) visit(item, each)
  else if (typeof node.value === 'string') each(node.value)
}

function described({ name, modifier, word }: Variable): NamedVariable {
  return {
    name,
    required: modifier.endsWith('?'),
    defaultValue: modifier.endsWith('-') ? word : '',
    alternative: modifier.endsWith('+') ? word : '',
  }
}
