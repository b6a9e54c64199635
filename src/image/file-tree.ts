import type { DiffId, LayerEntry } from '../snapshot/index.ts'
import type { ImageFileType } from '../wire/image-files.ts'

/** A path of an image and what it is there. */
export interface FileNode {
  readonly entry: LayerEntry
  /** Index of the layer that says so, from the bottom. */
  readonly layer: number
  /** Of a directory: by name, one character a byte. */
  readonly children?: Map<string, FileNode>
  /** Of a file: its bytes, which other names may share. */
  readonly content?: Content
}

interface Content {
  readonly bytes: number
  names: number
}

/** What one layer does to the tree below it. Files are all that is no directory. */
export interface LayerChanges {
  added: number
  changed: number
  deleted: number
  /** Bytes of this layer that later ones overwrite or delete: nobody ever sees them. */
  wasted: number
}

/** A file whose bytes nobody sees. */
export interface WastedFile {
  readonly path: string
  readonly bytes: number
  readonly layer: number
  /** The layer that overwrites or deletes it. */
  readonly by: number
  readonly deleted: boolean
}

const rootEntry: LayerEntry = { path: '', kind: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 }

/**
 * The files of an image as its layers make them, without a mount: each layer is put on those below it as overlayfs
 * would. Paths are relative, one character a byte.
 */
export class FileTree {
  readonly root: FileNode = { entry: rootEntry, layer: 0, children: new Map() }
  readonly layers: readonly DiffId[]
  readonly changes: LayerChanges[] = []
  readonly wastedFiles: WastedFile[] = []

  constructor(layers: readonly DiffId[]) {
    this.layers = layers
  }

  /** Puts the next layer on the tree. `entries`: parents before children. */
  apply(entries: readonly LayerEntry[], o: { opaque: boolean }): void {
    const layer = this.changes.length
    const changes: LayerChanges = { added: 0, changed: 0, deleted: 0, wasted: 0 }
    this.changes.push(changes)
    const shared = new Map<string, Content>()
    if (o.opaque) this.#empty(this.root, layer)
    let directory = this.root
    let inside = ''
    for (const entry of entries) {
      const slash = entry.path.lastIndexOf('/')
      const parent = slash < 0 ? '' : entry.path.slice(0, slash)
      if (parent !== inside) {
        directory = this.#directory(parent)
        inside = parent
      }
      const { children } = directory
      const name = entry.path.slice(slash + 1)
      const before = children?.get(name)
      if (entry.kind === 'whiteout') {
        if (before) this.#drop(before, { by: layer, deleted: true })
        children?.delete(name)
        continue
      }
      children?.set(name, this.#place(entry, before, { layer, changes, shared }))
    }
  }

  #place(
    entry: LayerEntry,
    before: FileNode | undefined,
    o: { layer: number; changes: LayerChanges; shared: Map<string, Content> },
  ): FileNode {
    const { layer, changes } = o
    if (entry.kind === 'directory' && before?.children) {
      if (entry.opaque) this.#empty(before, layer)
      return { entry, layer, children: before.children }
    }
    if (before) this.#drop(before, { by: layer, deleted: false })
    if (entry.kind === 'directory') return { entry, layer, children: new Map() }
    if (before) changes.changed++
    else changes.added++
    if (entry.kind !== 'file') return { entry, layer }
    const { identity } = entry
    const known = identity === undefined ? undefined : o.shared.get(identity)
    const content = known ?? { bytes: entry.size, names: 0 }
    content.names++
    if (identity !== undefined) o.shared.set(identity, content)
    return { entry, layer, content }
  }

  #empty(directory: FileNode, by: number): void {
    for (const child of directory.children?.values() ?? []) this.#drop(child, { by, deleted: true })
    directory.children?.clear()
  }

  /** A path, and all below it, that a layer takes away or replaces. */
  #drop(node: FileNode, o: { by: number; deleted: boolean }): void {
    if (node.children) {
      for (const child of node.children.values()) this.#drop(child, { ...o, deleted: true })
      return
    }
    const changes = this.changes[o.by]
    if (o.deleted && changes) changes.deleted++
    const { content } = node
    if (!content || --content.names > 0) return
    const made = this.changes[node.layer]
    if (made) made.wasted += content.bytes
    if (content.bytes > 0)
      this.wastedFiles.push({
        path: node.entry.path,
        bytes: content.bytes,
        layer: node.layer,
        by: o.by,
        deleted: o.deleted,
      })
  }

  #directory(path: string): FileNode {
    let node = this.root
    for (const name of path === '' ? [] : path.split('/')) {
      const next = node.children?.get(name)
      if (!next) throw new Error(`a layer lists ${JSON.stringify(path)} before its parent`)
      node = next
    }
    return node
  }

  /** Follows links inside the image, the last one too unless told otherwise. Undefined: not there, or links in a circle. */
  find(path: string, o: { follow: boolean } = { follow: true }): FileNode | undefined {
    const todo = partsOf(path)
    const done: FileNode[] = [this.root]
    let links = 0
    for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
      if (name === '..') {
        if (done.length > 1) done.pop()
        continue
      }
      const next = done.at(-1)?.children?.get(name)
      if (!next) return undefined
      const { link } = next.entry
      if (link === undefined || (todo.length === 0 && !o.follow)) {
        done.push(next)
        continue
      }
      if (++links > 40) return undefined
      if (link.startsWith('/')) done.length = 1
      todo.unshift(...partsOf(link))
    }
    return done.at(-1)
  }

  /** All paths at and below a node, parents before children, names in byte order; the root itself is left out. */
  *walk(from: FileNode = this.root, depth = Infinity): Generator<FileNode> {
    if (from !== this.root) yield from
    if (!from.children || depth <= 0) return
    for (const name of [...from.children.keys()].sort()) {
      const child = from.children.get(name)
      if (child) yield* this.walk(child, depth - 1)
    }
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

/** A path or link target as text; bytes that are no UTF-8 are shown as U+FFFD. */
export function textOf(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString()
}

export function typeOf(entry: LayerEntry): ImageFileType {
  // A tree has no whiteouts: they are what is gone.
  return entry.kind === 'whiteout' ? 'char' : entry.kind
}
