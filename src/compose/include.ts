/** `include`: other Compose files, each loaded in a folder and with variables of its own, then put beside what is here. */
import { dirname, join } from 'node:path'
import { beneath, readEnvFiles } from './env-files.ts'
import { ComposeError, get, mapping, put, textOf, type Entry, type Mapping, type Node } from './node.ts'
import { locate } from './remote/remote-file.ts'
import { sameNode } from './same-node.ts'
import { absolute, isFile, type Scope, type SourceFile } from './scope.ts'

/** Loads files as a project of their own, without what is done once for all. */
type Load = (files: readonly SourceFile[], scope: Scope) => Node

export function applyInclude(root: Mapping, file: string, o: { scope: Scope; load: Load }): Mapping {
  const include = get(root, 'include')
  if (include === undefined) return root
  if (include.kind !== 'sequence') throw new ComposeError(include.at, '`include` must be a list')
  const rest = put(root, 'include', undefined)
  const scope = { ...o.scope, includedBy: [...o.scope.includedBy, file] }
  return include.items.reduce<Mapping>(
    (model, item) => imported(model, o.load(...scopeOf(item, scope)), item),
    rest,
  )
}

/** The files of one item, and the scope in which they are loaded. */
function scopeOf(item: Node, scope: Scope): [SourceFile[], Scope] {
  const paths = pathsOf(textOf(item) === undefined ? get(item, 'path') : item, scope)
  const [main] = paths
  if (main === undefined)
    throw new ComposeError(item.at, '`include` items are paths, or mappings with a path')
  if (scope.includedBy.includes(main)) {
    const [first, ...more] = [...scope.includedBy, main]
    throw new ComposeError(item.at, `include cycle detected:\n${first}\n include ${more.join('\n include ')}`)
  }
  const directory = textOf(get(item, 'project_directory'))
  const folder = directory === undefined ? dirname(main) : absolute(directory, scope.folder)
  const given = pathsOf(get(item, 'env_file'), scope)
  const standard = join(folder, '.env')
  const envFiles = given.length > 0 ? given : isFile(standard) ? [standard] : []
  const found = readEnvFiles(envFiles, scope, { from: item.at, warn: scope.options.warn })
  return [paths.map((path) => ({ path, from: item.at })), { ...scope, ...beneath(scope, found), folder }]
}

function pathsOf(node: Node | undefined, { folder, remotes }: Scope): string[] {
  const items = node === undefined ? [] : node.kind === 'sequence' ? node.items : [node]
  return items.map((item) => {
    const text = textOf(item)
    if (text === undefined) throw new ComposeError(item.at, 'include: a path must be a string')
    return locate(text, { folder, remotes, at: item.at })
  })
}

const sections = ['services', 'volumes', 'networks', 'secrets', 'configs', 'models']

function imported(model: Mapping, included: Node, item: Node): Mapping {
  return sections.reduce<Mapping>((all, section) => {
    const found = get(included, section)
    if (found?.kind !== 'mapping') return all
    const there = get(all, section)
    const entries = new Map<string, Entry>(there?.kind === 'mapping' ? there.entries : [])
    for (const [name, entry] of found.entries) {
      const conflict = entries.get(name)
      if (conflict && !sameNode(conflict.value, entry.value))
        throw new ComposeError(
          conflict.at,
          `${section}.${name} conflicts with imported resource (included at ${item.at.file}:${item.at.line})`,
        )
      if (!conflict) entries.set(name, entry)
    }
    return put(all, section, mapping(entries, there?.at ?? found.at))
  }, model)
}
