/** What secrets, configs and volumes must say for themselves. */
import { ComposeError, get, type Mapping, type Node } from './node.ts'

export function checkResources(tree: Node): void {
  each(tree, 'volumes', checkVolume)
  each(tree, 'configs', (node, name) =>
    checkSource(node, `configs.${name}`, ['file', 'environment', 'content']),
  )
  each(tree, 'secrets', (node, name) => checkSource(node, `secrets.${name}`, ['file', 'environment']))
}

function each(tree: Node, section: string, check: (node: Mapping, name: string) => void): void {
  const all = get(tree, section)
  if (all?.kind !== 'mapping') return
  for (const [name, { value }] of all.entries) if (value.kind === 'mapping') check(value, name)
}

/** Exactly one source, unless somebody else has the content. */
function checkSource(node: Mapping, path: string, keys: readonly string[]): void {
  const [first, second] = keys.flatMap((key) => node.entries.get(key) ?? [])
  if (second)
    throw new ComposeError(second.at, `${path}: ${keys.join('|')} attributes are mutually exclusive`)
  if (!first && !node.entries.has('driver') && !node.entries.has('external'))
    throw new ComposeError(node.at, `${path}: one of ${keys.join('|')} must be set`)
}

function checkVolume(node: Mapping, name: string): void {
  const external = get(node, 'external')
  if (external?.kind !== 'scalar' || external.value !== true) return
  for (const [key, { at }] of node.entries)
    if (key !== 'name' && key !== 'external' && !key.startsWith('x-'))
      throw new ComposeError(at, `volumes.${name}: conflicting parameters "external" and "${key}" specified`)
}
