import { constants, createReadStream, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { FileMode } from '../lib/file-mode.ts'
import type { Op } from '../lib/op.ts'
import { isMountPoint, mountsUnder } from '../host/mount.ts'
import { RootDir } from '../host/root-dir.ts'
import type { Lease, Leases, Store } from '../store/index.ts'
import type { Change } from './inspect-tree.ts'
import type { CopyEntry, Linked, Owner, Packed } from './jobs.ts'
import type { LayerEntry } from './list-layer.ts'
import { Layers, type DiffId, type Layer } from './layers.ts'
import { Pool, type Pump } from './pool.ts'
import { bytesOf } from './tar-header.ts'
import { tarIn, withOwnEntry } from './tree-archive.ts'
import { Workspaces } from './workspaces.ts'

export type { DiffId, Layer } from './layers.ts'

/** A file by its layer and its path in the listing of that layer. */
export interface FileInLayer {
  readonly layer: DiffId
  readonly path: string
}

/** Layers, workspaces over them, and the files that go in and out of both. */
export class Snapshots {
  readonly #root: string
  readonly #leases: Leases
  readonly #pool: Pool
  readonly #layers: Layers
  readonly #workspaces: Workspaces

  private constructor(o: { root: string; leases: Leases; pool: Pool; layers: Layers }) {
    this.#root = o.root
    this.#leases = o.leases
    this.#pool = o.pool
    this.#layers = o.layers
    this.#workspaces = new Workspaces(o.root, o.layers)
  }

  /** Throws kind `unsupported` when the file system of `root` cannot hold overlays. */
  static async open(op: Op, o: { root: string; store: Store; leases: Leases }): Promise<Snapshots> {
    const pool = new Pool()
    const layers = new Layers(op, { ...o, pool })
    const snapshots = new Snapshots({ root: o.root, leases: o.leases, pool, layers })
    await layers.verifyUnsynced(op)
    return snapshots
  }

  // Layers

  layer(diffId: DiffId): Layer | undefined {
    return this.#layers.get(diffId)
  }

  layers(): Layer[] {
    return this.#layers.all()
  }

  layerPath(diffId: DiffId): string {
    return this.#layers.path(diffId)
  }

  /**
   * Unpacks an uncompressed layer archive. A layer that is there already (by `expected`) is not read again; the source
   * is destroyed in any case. `blob` is the archive in the content store, compressed or not: a layer that was not made
   * here can be saved from there only. Throws kind `invalid` naming the entry when the archive is hostile or damaged,
   * or has another digest than expected.
   */
  unpack(op: Op, tar: Readable, o: { expected?: DiffId; blob?: Digest; lease?: Lease } = {}): Promise<Layer> {
    return this.#layers.unpack(op, tar, o)
  }

  /**
   * Unpacks a layer archive, compressed or not, while it comes, and writes it to the new file `copyTo` at the same time. When
   * both digests are right, `commit` makes that file the blob, and then the layer appears. Throws as `unpack`.
   */
  receive(
    op: Op,
    pump: Pump,
    o: { expected: DiffId; blob: Digest; copyTo: string; commit(): Promise<void>; lease?: Lease },
  ): Promise<Layer> {
    return this.#layers.receive(op, pump, o)
  }

  /** Unpacks any file system archive as a layer of our own making: `tar` gives its archive, no blob is kept. */
  importLayer(op: Op, tar: Readable, o: { lease?: Lease } = {}): Promise<Layer> {
    return this.#layers.unpack(op, tar, { ...o, own: true })
  }

  /** The archive of a layer made here (one without `blob`): sorted, fixed header fields; its sha256 is the diffID. */
  tar(op: Op, diffId: DiffId): Readable {
    return this.#layers.tar(op, diffId)
  }

  /**
   * The archive of a layer, compressed: equal layers and forms give equal bytes. `blob`: the file of the archive that it came as,
   * where it was not made here. `progress` is told how much of the archive has been read.
   */
  pack(
    op: Op,
    diffId: DiffId,
    o: { form: Packed; blob: string | undefined; progress?: (read: number) => void },
  ): Readable {
    return this.#layers.pack(op, diffId, o)
  }

  /** All that a layer says of its paths, parents before children. */
  listLayer(op: Op, diffId: DiffId): Promise<LayerEntry[]> {
    return this.#pool.run(op, 'list', { dir: this.#layers.path(diffId) })
  }

  /** The content of a file in a layer, by its path in a listing: no part of it is a symlink. */
  layerFile(diffId: DiffId, path: string): Readable {
    using root = RootDir.open(this.#layers.path(diffId), { symlinks: false })
    const { O_NOFOLLOW, O_NONBLOCK } = constants
    const fd = root.openFile(bytesOf(path), O_NOFOLLOW | O_NONBLOCK)
    return createReadStream('', { fd, highWaterMark: 1 << 18 })
  }

  /** Whether the files of each pair, of equal length, have the same bytes. */
  compareFiles(
    op: Op,
    pairs: readonly { readonly a: FileInLayer; readonly b: FileInLayer }[],
  ): Promise<boolean[]> {
    const located = ({ layer, path }: FileInLayer) => ({ dir: this.#layers.path(layer), path })
    return this.#pool.run(op, 'compare', {
      pairs: pairs.map(({ a, b }) => ({ a: located(a), b: located(b) })),
    })
  }

  /** Nothing happens while a lease holds the layer. The caller knows that no image and no container needs it. */
  removeLayer(_op: Op, diffId: DiffId): Promise<void> {
    this.#layers.remove(diffId)
    return Promise.resolve()
  }

  // Workspaces

  /** Makes a workspace; one that is there is kept. `lowers` (bottom first) lets it be read before its first mount. */
  prepare(op: Op, id: string, o: { lowers?: readonly DiffId[] } = {}): Promise<void> {
    return this.#workspaces.prepare(op, id, o)
  }

  /**
   * Mounts the workspace over the layers (bottom first) and returns where. One that is mounted stays as it is.
   * `volatile`: fsync costs nothing in it; for build steps, whose workspaces are garbage after a crash.
   * `again`: one that was mounted so before, which the kernel refuses since it cannot know whether there was a crash. The
   * caller does.
   */
  mount(
    op: Op,
    id: string,
    lowers: readonly DiffId[],
    o: { volatile?: boolean; again?: boolean } = {},
  ): Promise<string> {
    return this.#workspaces.mount(op, id, { ...o, lowers })
  }

  /** One that is not mounted, or not there, is not an error. */
  unmount(op: Op, id: string): Promise<void> {
    return this.#workspaces.unmount(op, id)
  }

  /** Unmounts and deletes; one that is not there is not an error. The files are deleted in the background. */
  remove(op: Op, id: string): Promise<void> {
    return this.#workspaces.remove(op, id)
  }

  /** Where the workspace's files are seen when it is mounted. */
  mergedPath(id: string): string {
    return this.#workspaces.merged(id)
  }

  /** What was written in the workspace, in overlayfs form. */
  upperPath(id: string): string {
    return this.#workspaces.upper(id)
  }

  /**
   * The overlay's folders, in docker's words (`GraphDriver.Data`): of a workspace on its layers, or of an image, whose newest
   * layer is the upper one.
   */
  graphData(layers: readonly DiffId[], workspace?: string): Record<string, string> {
    const paths = layers.map((diffId) => this.#layers.path(diffId)).toReversed()
    const lower = (rest: readonly string[]) => (rest.length > 0 ? { LowerDir: rest.join(':') } : {})
    if (workspace === undefined) {
      const [upper, ...rest] = paths
      return { ...lower(rest), ...(upper !== undefined && { UpperDir: upper }) }
    }
    const upper = this.upperPath(workspace)
    const work = join(dirname(upper), 'work')
    return { ...lower(paths), MergedDir: this.mergedPath(workspace), UpperDir: upper, WorkDir: work }
  }

  workspaces(): Promise<string[]> {
    return Promise.resolve(this.#workspaces.list())
  }

  /**
   * Turns what was written into a layer, by a rename, and ends the workspace. Nothing written: the well-known empty
   * layer. `epoch` (Unix seconds): later file times become this. Failed or cancelled before the rename, the workspace
   * is as it was. Throws kind `unsupported` for what a layer cannot hold.
   */
  async commit(op: Op, id: string, o: { lease?: Lease; epoch?: number } = {}): Promise<Layer> {
    using _lock = await this.#workspaces.hold(op, id)
    const dir = this.#workspaces.existing(id)
    this.#workspaces.detach(op, join(dir, 'merged'))
    const layer = await this.#layers.adopt(op, join(dir, 'upper'), o)
    this.#layers.discard(dir)
    return layer
  }

  /**
   * A copy of what was written, as a layer; the workspace goes on. Freeze its writers for a consistent one. `mountPoints`: paths of
   * files that something is mounted on; those that are empty are no part of it.
   */
  async capture(
    op: Op,
    id: string,
    o: { lease?: Lease; mountPoints?: readonly string[] } = {},
  ): Promise<Layer> {
    const from = join(this.#workspaces.existing(id), 'upper')
    const temporary = this.#layers.makeTemporary()
    try {
      const to = join(temporary, 'fs')
      mkdirSync(to, { mode: 0o755 })
      const { lease, mountPoints = [] } = o
      await this.#pool.run(op, 'duplicate', { from, to, mountPoints })
      return await this.#layers.adopt(op, to, lease ? { lease } : {})
    } finally {
      this.#layers.dropTemporary(temporary)
    }
  }

  /** What the workspace changes of its layers, sorted by path. */
  async changes(op: Op, id: string): Promise<Change[]> {
    const upper = join(this.#workspaces.existing(id), 'upper')
    using lower = this.#workspaces.view(op, this.#workspaces.lowersOf(id))
    const changes = await this.#pool.run(op, 'changes', { upper, lower: lower.path })
    return changes.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  }

  /** Bytes of the files written in the workspace. */
  usage(op: Op, id: string): Promise<number> {
    return this.#pool.run(op, 'usage', { dir: join(this.#workspaces.existing(id), 'upper') })
  }

  /** The whole tree, mounted or not, as a tar stream; `into` a folder, it has no end and more may follow (`endOfTar`). */
  exportTar(op: Op, id: string, o: { into?: string } = {}): Readable {
    const dir = this.#workspaces.existing(id)
    if (isMountPoint(join(dir, 'merged')))
      return this.#pool.stream(op, 'tar', { input: { dir: join(dir, 'merged'), form: 'tree', ...o } })
    const view = this.#workspaces.view(op, [join(dir, 'upper'), ...this.#workspaces.lowersOf(id)])
    const stream = this.#pool.stream(op, 'tar', { input: { dir: view.path, form: 'tree', ...o } })
    stream.once('close', () => view[Symbol.dispose]())
    return stream
  }

  /**
   * COPY: files and directories from `from.dir` (untrusted content) into a mounted workspace. `target` is the exact
   * final path: a file becomes that file, a directory's content merges into that directory. Symlinks are kept, but one
   * named as `source` is followed. Device nodes and sockets are refused with kind `invalid`.
   */
  async copyInto(
    op: Op,
    o: {
      workspace: string
      from: { dir: string }
      entries: readonly CopyEntry[]
      chown?: Owner
      mode?: FileMode
      /** Unix seconds, in place of the times that the files have. */
      mtime?: number
      /** What an earlier copy to `target` gave, and which files' content is the same: see `linkEarlier`. */
      earlier?: { layer: DiffId; target: string; paths: readonly string[] }
    },
  ): Promise<Linked> {
    const { entries, chown, mode, mtime, earlier } = o
    return await this.#pool.run(op, 'copy', {
      from: o.from.dir,
      to: this.#workspaces.mounted(o.workspace),
      entries,
      ...(chown && { chown }),
      ...(mode !== undefined && { mode }),
      ...(mtime !== undefined && { mtime }),
      ...(earlier && {
        earlier: { dir: this.layerPath(earlier.layer), target: earlier.target, paths: earlier.paths },
      }),
    })
  }

  /**
   * Makes the files that `copyInto` left out, as links into the earlier layer; the workspace is no longer mounted, and the
   * layer is leased.
   */
  async linkEarlier(op: Op, o: { workspace: string; layer: DiffId; files: Linked }): Promise<void> {
    const upper = join(this.#workspaces.existing(o.workspace), 'upper')
    if (isMountPoint(this.mergedPath(o.workspace)))
      throw new EngineError('conflict', `workspace ${o.workspace} is mounted`)
    await this.#pool.run(op, 'link', {
      from: this.layerPath(o.layer),
      to: upper,
      ...o.files,
    })
  }

  /**
   * ADD of an archive: unpacks a tar, compressed or not (by content, not by name), into `target` of a mounted
   * workspace. `archive` is relative to `from.dir` (untrusted content) when that is given, else absolute.
   * False: the file is no tar archive, and nothing happened. Relative symlinks that climb above the archive's root are
   * refused unless `anySymlinks` is set (for build contexts, which are people's source trees).
   */
  async extractInto(
    op: Op,
    o: {
      workspace: string
      from?: { dir: string }
      archive: string
      target: string
      chown?: Owner
      anySymlinks?: boolean
    },
  ): Promise<boolean> {
    const root = this.#workspaces.mounted(o.workspace)
    using source = RootDir.open(o.from?.dir ?? '/')
    if (source.stat(o.archive).kind !== 'file') return false
    const stream = createReadStream('', { fd: source.openFile(o.archive, 0), highWaterMark: 1 << 20 })
    try {
      const archive = await tarIn(op, stream)
      if (!archive) return false
      const { target, chown, anySymlinks } = o
      const options = { target, ...(chown && { chown }), ...(anySymlinks && { anySymlinks }) }
      await this.extract(op, { dir: root, source: archive, ...options })
      return true
    } finally {
      stream.destroy()
    }
  }

  /** Any directory as a tar stream, its own attributes first (`./`). */
  directoryTar(op: Op, dir: string): Readable {
    return withOwnEntry(dir, this.#pool.stream(op, 'tar', { input: { dir, form: 'tree' } }))
  }

  /** A directory with its own attributes under the name `as`, or `only` one entry of it. `dir` must stay open till it is read. */
  archive(op: Op, o: { dir: string; as: string; only?: string }): Readable {
    return this.#pool.stream(op, 'tar', { input: { ...o, form: 'tree' } })
  }

  /**
   * Unpacks an uncompressed, untrusted archive over the directory `dir`, at `target` within it. `whole`: the directory's own
   * attributes are the archive's. `copied`: as `docker cp` does (see ExtractSink).
   */
  async extract(
    op: Op,
    o: {
      dir: string
      source: Readable
      target?: string
      chown?: Owner
      anySymlinks?: boolean
      whole?: boolean
      copied?: { readonly keepKinds: boolean }
    },
  ): Promise<void> {
    const { dir, source, target = '/', ...rest } = o
    const input = { root: dir, target, ...rest }
    const { skippedXattrs } = await this.#pool.feed(op, 'extract', { input, source })
    if (skippedXattrs.length > 0)
      op.log.warn('attributes that belong to another host were left out', { attributes: skippedXattrs })
  }

  /** At boot, and when much has gone: removes what neither `keep` nor a lease names, and what was left half-made. */
  async reconcile(
    op: Op,
    keep: { layers: ReadonlySet<DiffId>; workspaces: ReadonlySet<string> },
  ): Promise<void> {
    for (const id of await this.workspaces())
      if (!keep.workspaces.has(id) && !this.#leases.holds(`workspace:${id}`)) await this.remove(op, id)
    for (const target of mountsUnder(join(this.#root, 'tmp'))) this.#workspaces.detach(op, target)
    this.#layers.reconcile(op, keep.layers)
    this.#layers.emptyTrash()
  }

  /** Waits for work in the background, then stops the worker threads. */
  async close(): Promise<void> {
    await this.#layers.settle()
    await this.#pool.close()
  }
}
