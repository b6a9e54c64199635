import { familiar, parseReference } from '../lib/reference.ts'
import type { DiffId } from '../snapshot/index.ts'
import type { ImageExplanation, ImageStep, LargeFile } from '../wire/image-files.ts'
import type { Image } from './config.ts'
import { textOf, type FileNode, type FileTree } from './file-tree.ts'

const largestOfLayer = 5
const largestOfImage = 20

/** Puts together what the history, the layers and their files say. */
export function explainImage(
  image: Image,
  tree: FileTree,
  sizeOf: (diffId: DiffId) => number,
): ImageExplanation {
  const files = [...tree.walk()].filter((node) => !node.children)
  const byLayer = image.layers.map((): LargeFile[] => [])
  const largest: LargeFile[] = []
  for (const node of uniqueContents(files)) {
    keepLargest(byLayer[node.Layer - 1] ?? [], node, largestOfLayer)
    keepLargest(largest, node, largestOfImage)
  }
  const wasted: ImageExplanation['WastedFiles'] = []
  for (const { path, bytes, layer, by, deleted } of tree.wastedFiles) {
    const file = { Path: `/${textOf(path)}`, Size: bytes, Layer: layer + 1, By: by + 1, Deleted: deleted }
    keepLargest(wasted, file, largestOfImage)
    keepLargest(byLayer[layer] ?? [], { Path: file.Path, Size: bytes, Layer: layer + 1 }, largestOfLayer)
  }
  return {
    Id: image.id,
    RepoTags: image.refs.map((ref) => familiar(parseReference(ref))),
    Size: image.size,
    Wasted: tree.changes.reduce((sum, each) => sum + each.wasted, 0),
    Files: files.length,
    Steps: stepsOf(image, tree, { sizeOf, largest: byLayer }),
    Largest: largest,
    WastedFiles: wasted,
  }
}

/** Files with their sizes, those with several names once. */
function* uniqueContents(files: readonly FileNode[]): Generator<LargeFile> {
  const seen = new Set<unknown>()
  for (const { entry, layer, content } of files) {
    if (!content || content.bytes === 0 || seen.has(content)) continue
    seen.add(content)
    yield { Path: `/${textOf(entry.path)}`, Size: content.bytes, Layer: layer + 1 }
  }
}

/** Keeps a short list sorted, the largest first. */
function keepLargest<T extends { Size: number }>(list: T[], item: T, limit: number): void {
  if (list.length === limit && item.Size <= (list.at(-1)?.Size ?? 0)) return
  const at = list.findIndex((each) => each.Size < item.Size)
  list.splice(at < 0 ? list.length : at, 0, item)
  if (list.length > limit) list.pop()
}

function stepsOf(
  image: Image,
  tree: FileTree,
  o: { sizeOf: (diffId: DiffId) => number; largest: readonly LargeFile[][] },
): ImageStep[] {
  const history = image.config.history ?? []
  let next = 0
  const layer = () => {
    const index = next++
    const diffId = image.layers[index]
    if (diffId === undefined) return undefined
    const { added, changed, deleted, wasted } = tree.changes[index] ?? none
    return {
      Layer: index + 1,
      DiffId: diffId,
      Size: o.sizeOf(diffId),
      Added: added,
      Changed: changed,
      Deleted: deleted,
      Wasted: wasted,
      Largest: o.largest[index] ?? [],
    }
  }
  const steps = history.map((row): ImageStep => {
    const createdBy = row.created_by ?? ''
    const Instruction = instructionOf(createdBy) || (row.comment ?? '')
    const text = { Instruction, CreatedBy: createdBy, Created: row.created ?? '' }
    return { ...text, ...((row.empty_layer ? undefined : layer()) ?? nothing) }
  })
  // Layers that the history does not know.
  for (let rest = layer(); rest; rest = layer())
    steps.push({ Instruction: '', CreatedBy: '', Created: '', ...rest })
  return steps
}

const none = { added: 0, changed: 0, deleted: 0, wasted: 0 }
const nothing = { Size: 0, Added: 0, Changed: 0, Deleted: 0, Wasted: 0, Largest: [] }

/**
 * The instruction that a row of history stands for, as in a Dockerfile: without the shell, the build arguments and the marks of
 * the builders.
 */
export function instructionOf(createdBy: string): string {
  let text = createdBy.replace(/\s+# buildkit$/, '')
  const nop = /^\/bin\/sh -c #\(nop\)\s+/.exec(text)
  if (nop) return text.slice(nop[0].length)
  // The classic builder writes the command alone.
  if (/^(?:\|\d+ |\/bin\/sh -c )/.test(text)) text = `RUN ${text}`
  const counted = /^RUN \|(\d+) /.exec(text)
  if (counted) {
    const shell = text.indexOf(' /bin/sh -c ')
    text = shell < 0 ? `RUN ${text.slice(counted[0].length)}` : `RUN${text.slice(shell)}`
  }
  return text.replace(/^RUN \/bin\/sh -c /, 'RUN ')
}
