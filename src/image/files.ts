import type { Readable } from 'node:stream'
import { EngineError } from '../lib/errors.ts'
import { group } from '../lib/group.ts'
import type { Op } from '../lib/op.ts'
import { familiar, parseReference } from '../lib/reference.ts'
import type { Lease, Leases } from '../store/index.ts'
import type { DiffId, LayerEntry, Snapshots } from '../snapshot/index.ts'
import type { ImageDiff, ImageExplanation, ImageFile } from '../wire/image-files.ts'
import type { Image } from './config.ts'
import { diffConfigs, diffTrees } from './diff.ts'
import { explainImage } from './explain.ts'
import { FileTree, textOf, typeOf, type FileNode } from './file-tree.ts'

/** Entries of layers that are kept in memory for the next look: some tens of megabytes, for a minute. */
const maxKept = 200_000
const keptMs = 60_000

/**
 * Looks into images: straight from their layers, without a container or a mount. What images contain is hostile; links are
 * followed in the listing alone, and files opened by paths that have none.
 */
export class ImageFiles {
  readonly #snapshots: Snapshots
  readonly #leases: Leases
  /** Listings of layers, which never change, least recently used first. */
  readonly #kept = new Map<DiffId, LayerEntry[]>()
  #idle: NodeJS.Timeout | undefined

  constructor(o: { snapshots: Snapshots; leases: Leases }) {
    this.#snapshots = o.snapshots
    this.#leases = o.leases
  }

  /** What each layer does, and what its bytes are worth. */
  async explain(op: Op, image: Image): Promise<ImageExplanation> {
    using lease = this.#hold(image)
    const tree = await this.#tree(op, image, lease)
    return explainImage(image, tree, (diffId) => this.#snapshots.layer(diffId)?.size ?? 0)
  }

  /** The paths at and below one, links followed to it. Throws kind `not-found`. */
  async list(op: Op, image: Image, o: { path: string; depth: number }): Promise<ImageFile[]> {
    using lease = this.#hold(image)
    const tree = await this.#tree(op, image, lease)
    return [...tree.walk(this.#find(tree, image, o.path), o.depth)].map(describe)
  }

  /**
   * The content of a file, links followed. Throws kind `not-found`, `invalid` for what is no file. The layer stays as
   * long as the stream is open.
   */
  async read(op: Op, image: Image, path: string): Promise<Readable> {
    using stack = new DisposableStack()
    const lease = stack.use(this.#hold(image))
    const tree = await this.#tree(op, image, lease)
    const { entry, layer } = this.#find(tree, image, path)
    if (entry.kind !== 'file')
      throw new EngineError(
        'invalid',
        `${path} in image ${nameOf(image)} is ${entry.kind === 'directory' ? 'a directory' : 'not a regular file'}`,
      )
    const diffId = image.layers[layer]
    if (diffId === undefined) throw new Error('a file comes from a layer of its image')
    const stream = this.#snapshots.layerFile(diffId, entry.path)
    const held = stack.move()
    stream.once('close', () => held.dispose())
    return stream
  }

  /** What another image has that this one has not, and the other way round. */
  async diff(op: Op, from: Image, to: Image): Promise<ImageDiff> {
    using one = this.#hold(from)
    using other = this.#hold(to)
    const trees = { from: await this.#tree(op, from, one), to: await this.#tree(op, to, other) }
    const side = ({ id, size }: Image) => ({ Id: id, Size: size })
    return {
      From: side(from),
      To: side(to),
      Files: await diffTrees(trees, (pairs) => this.#snapshots.compareFiles(op, pairs)),
      Config: diffConfigs(from.config, to.config),
    }
  }

  #find(tree: FileTree, image: Image, path: string): FileNode {
    const node = tree.find(Buffer.from(path).toString('latin1'))
    if (node) return node
    throw new EngineError('not-found', `Could not find the file ${path} in image ${nameOf(image)}`)
  }

  #hold(image: Image): Lease {
    const lease = this.#leases.open()
    for (const diffId of image.layers) lease.add(`layer:${diffId}`)
    return lease
  }

  /** The caller holds the lease as long as it uses the tree. */
  async #tree(op: Op, image: Image, _held: Lease): Promise<FileTree> {
    const tree = new FileTree(image.layers)
    const layers = image.layers.map((diffId) => {
      const layer = this.#snapshots.layer(diffId)
      if (layer) return layer
      throw new EngineError('not-found', `layer ${diffId} is missing`)
    })
    const listings = await group(
      op,
      layers.map(
        ({ diffId }) =>
          (inner) =>
            this.#listing(inner, diffId),
      ),
      { limit: 4 },
    )
    for (const [index, { opaque = false }] of layers.entries()) tree.apply(listings[index] ?? [], { opaque })
    return tree
  }

  async #listing(op: Op, diffId: DiffId): Promise<LayerEntry[]> {
    const known = this.#kept.get(diffId)
    const entries = known ?? (await this.#snapshots.listLayer(op, diffId))
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#kept.clear(), keptMs).unref()
    this.#kept.delete(diffId)
    this.#kept.set(diffId, entries)
    let total = 0
    for (const list of this.#kept.values()) total += list.length
    for (const [oldest, list] of this.#kept) {
      if (total <= maxKept) break
      total -= list.length
      this.#kept.delete(oldest)
    }
    return entries
  }
}

function nameOf(image: Image): string {
  const [ref] = image.refs
  return ref === undefined ? image.id : familiar(parseReference(ref))
}

function describe({ entry, layer }: FileNode): ImageFile {
  return {
    Path: `/${textOf(entry.path)}`,
    Type: typeOf(entry),
    Mode: entry.mode,
    Uid: entry.uid,
    Gid: entry.gid,
    Size: entry.size,
    Mtime: entry.mtime,
    ...(entry.link !== undefined && { Link: textOf(entry.link) }),
    Layer: layer + 1,
  }
}
