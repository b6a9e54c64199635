import type { FileInLayer } from '../snapshot/index.ts'
import type { ConfigDifference, FileDifference } from '../wire/image-files.ts'
import type { OciImage } from './config.ts'
import { textOf, typeOf, type FileNode, type FileTree } from './file-tree.ts'

type Compare = (pairs: readonly { a: FileInLayer; b: FileInLayer }[]) => Promise<boolean[]>

/** What is different in the files of two images; times are not looked at. Contents are read where nothing else tells. */
export async function diffTrees(
  trees: { readonly from: FileTree; readonly to: FileTree },
  compare: Compare,
): Promise<FileDifference[]> {
  const from = byPath(trees.from)
  const to = byPath(trees.to)
  const found = new Map<string, FileDifference>()
  const doubtful: { path: string; a: FileNode; b: FileNode; what: string[] }[] = []
  for (const [path, a] of from) {
    const b = to.get(path)
    if (!b) {
      found.set(path, { ...named(a), Change: 'removed', ...(a.content && { SizeFrom: a.entry.size }) })
      continue
    }
    const what = attributes(a, b)
    if (isDoubtful(trees, a, b)) doubtful.push({ path, a, b, what })
    else if (what.length > 0) found.set(path, changed(a, b, what))
  }
  for (const [path, b] of to)
    if (!from.has(path))
      found.set(path, { ...named(b), Change: 'added', ...(b.content && { SizeTo: b.entry.size }) })
  const same = await compare(
    doubtful.map(({ a, b }) => ({ a: placeOf(trees.from, a), b: placeOf(trees.to, b) })),
  )
  for (const [index, { path, a, b, what }] of doubtful.entries()) {
    const all = same[index] ? what : ['content', ...what]
    if (all.length > 0) found.set(path, changed(a, b, all))
  }
  return [...found.keys()].sort().flatMap((path) => found.get(path) ?? [])
}

function byPath(tree: FileTree): Map<string, FileNode> {
  return new Map([...tree.walk()].map((node) => [node.entry.path, node]))
}

function named({ entry }: FileNode): Pick<FileDifference, 'Path' | 'Type'> {
  return { Path: `/${textOf(entry.path)}`, Type: typeOf(entry) }
}

function changed(a: FileNode, b: FileNode, what: string[]): FileDifference {
  return {
    ...named(b),
    Change: 'changed',
    ...(a.content && { SizeFrom: a.entry.size }),
    ...(b.content && { SizeTo: b.entry.size }),
    What: what,
  }
}

/** What can be seen without reading files. */
function attributes({ entry: a }: FileNode, { entry: b }: FileNode): string[] {
  const what: string[] = []
  if (a.kind !== b.kind) what.push(`type ${a.kind}→${b.kind}`)
  else if (a.kind === 'file' && a.size !== b.size) what.push('content')
  else if (a.link !== b.link) what.push(`target ${textOf(a.link ?? '')}→${textOf(b.link ?? '')}`)
  if (a.mode !== b.mode && a.kind !== 'symlink' && b.kind !== 'symlink')
    what.push(`mode ${a.mode.toString(8)}→${b.mode.toString(8)}`)
  if (a.uid !== b.uid || a.gid !== b.gid) what.push(`owner ${a.uid}:${a.gid}→${b.uid}:${b.gid}`)
  return what
}

/** Files of one length that are not the very same one. */
function isDoubtful(trees: { from: FileTree; to: FileTree }, a: FileNode, b: FileNode): boolean {
  if (a.entry.kind !== 'file' || b.entry.kind !== 'file') return false
  if (a.entry.size !== b.entry.size || a.entry.size === 0) return false
  return trees.from.layers[a.layer] !== trees.to.layers[b.layer]
}

function placeOf(tree: FileTree, { entry, layer }: FileNode): FileInLayer {
  const diffId = tree.layers[layer]
  if (diffId === undefined) throw new Error('a file comes from a layer of its image')
  return { layer: diffId, path: entry.path }
}

/** What is different in what the images say of themselves; lists of `NAME=value` and maps by their names. */
export function diffConfigs(from: OciImage, to: OciImage): ConfigDifference[] {
  const before = flatten(from)
  const after = flatten(to)
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((field) => {
    const [a, b] = [before.get(field), after.get(field)]
    if (a === b) return []
    return [{ Field: field, ...(a !== undefined && { From: a }), ...(b !== undefined && { To: b }) }]
  })
}

function flatten(image: OciImage): Map<string, string> {
  const flat = new Map<string, string>()
  const put = (field: string, value: unknown) => {
    if (value !== undefined && value !== '') flat.set(field, JSON.stringify(value))
  }
  put('Architecture', image.architecture)
  put('Os', image.os)
  put('Variant', image.variant)
  put('Author', image.author)
  const { Env, Labels, ExposedPorts, Volumes, ...rest } = image.config ?? {}
  for (const variable of Env ?? []) {
    const equals = variable.indexOf('=')
    put(`Env ${variable.slice(0, equals)}`, variable.slice(equals + 1))
  }
  for (const [name, value] of Object.entries(Labels ?? {})) put(`Labels ${name}`, value)
  for (const [name, map] of [
    ['ExposedPorts', ExposedPorts],
    ['Volumes', Volumes],
  ] as const)
    for (const key of Object.keys(map ?? {})) put(`${name} ${key}`, {})
  // It says how the command was written, not what it is.
  const { ArgsEscaped: _, ...others } = rest
  for (const [name, value] of Object.entries(others)) put(name, value)
  return flat
}
