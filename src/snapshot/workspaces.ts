import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { isMountPoint, MNT_DETACH, mountOverlay, unmount } from '../host/mount.ts'
import { digestSchema } from '../lib/digest-schema.ts'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import { KeyedLock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import type { DiffId, Layers } from './layers.ts'

const stackRecord = z.array(digestSchema)

/**
 * Workspaces `<root>/workspaces/<id>/{upper,work,merged}` with the stack last mounted in `lowers`: their folders and mounts.
 * Snapshots says what its methods of the same names promise.
 */
export class Workspaces {
  readonly #root: string
  readonly #layers: Layers
  readonly #lock = new KeyedLock()

  /** Throws kind `unsupported` when the file system of `root` cannot hold overlays. */
  constructor(root: string, layers: Layers) {
    this.#root = root
    this.#layers = layers
    mkdirSync(join(root, 'workspaces'), { recursive: true, mode: 0o700 })
    this.#probe()
  }

  /** Nobody else mounts, unmounts or removes the workspace meanwhile. */
  hold(op: Op, id: string): Promise<Disposable> {
    return this.#lock.acquire(id, op.signal)
  }

  list(): string[] {
    return readdirSync(join(this.#root, 'workspaces'))
  }

  async prepare(op: Op, id: string, o: { lowers?: readonly DiffId[] } = {}): Promise<void> {
    using _lock = await this.hold(op, id)
    const dir = this.#dir(id)
    mkdirSync(dir, { recursive: true, mode: 0o711 })
    for (const name of ['upper', 'work', 'merged'])
      mkdirSync(join(dir, name), { recursive: true, mode: 0o755 })
    if (o.lowers) this.#writeStack(id, o.lowers)
  }

  async mount(
    op: Op,
    id: string,
    o: { lowers: readonly DiffId[]; volatile?: boolean; again?: boolean },
  ): Promise<string> {
    using _lock = await this.hold(op, id)
    const dir = this.existing(id)
    const target = join(dir, 'merged')
    if (isMountPoint(target)) return target
    const stack = this.#layers.stack(o.lowers)
    this.#writeStack(id, o.lowers)
    if (o.again) rmSync(join(dir, 'work/work/incompat'), { recursive: true, force: true })
    mountOverlay({
      lowers: stack.length > 0 ? stack : [this.#layers.emptyPath],
      upper: join(dir, 'upper'),
      work: join(dir, 'work'),
      target,
      ...(o.volatile && { volatile: true }),
    })
    return target
  }

  async unmount(op: Op, id: string): Promise<void> {
    using _lock = await this.hold(op, id)
    this.detach(op, join(this.#dir(id), 'merged'))
  }

  merged(id: string): string {
    return join(this.#dir(id), 'merged')
  }

  upper(id: string): string {
    return join(this.#dir(id), 'upper')
  }

  async remove(op: Op, id: string): Promise<void> {
    using _lock = await this.hold(op, id)
    const dir = this.#dir(id)
    if (!existsSync(dir)) return
    this.detach(op, join(dir, 'merged'))
    this.#layers.discard(dir)
  }

  /** The folder of one that is there. */
  existing(id: string): string {
    const dir = this.#dir(id)
    if (!existsSync(join(dir, 'upper'))) throw new EngineError('not-found', `workspace ${id} does not exist`)
    return dir
  }

  /** Its root, while it is mounted. */
  mounted(id: string): string {
    const target = join(this.existing(id), 'merged')
    if (!isMountPoint(target)) throw new EngineError('conflict', `workspace ${id} is not mounted`)
    return target
  }

  /** The directories below `upper`, top first, as it was mounted last. */
  lowersOf(id: string): string[] {
    return this.#layers.stack(this.#readStack(id))
  }

  /** A read-only mount of directories (top first). */
  view(op: Op, dirs: readonly string[]): Disposable & { path: string } {
    const path = this.#layers.makeTemporary()
    const drop = () => {
      this.detach(op, path)
      // Not recursive: were it still mounted, this would fail rather than delete what is below.
      rmdirSync(path)
      this.#layers.dropTemporary(path)
    }
    try {
      // The kernel wants two directories at least when none is writable.
      if (dirs.length > 0) mountOverlay({ lowers: [...dirs, this.#layers.emptyPath], target: path })
    } catch (error) {
      drop()
      throw error
    }
    return { path, [Symbol.dispose]: drop }
  }

  /** Takes a mount away, if there is one. */
  detach(op: Op, target: string): void {
    try {
      unmount(target)
    } catch (error) {
      if (!hasCode(error, 'EBUSY')) throw error
      // Somebody (a shell, a backup) has a file open in it; the mount goes when they close it.
      op.log.debug('mount is busy: detached', { target })
      unmount(target, MNT_DETACH)
    }
  }

  #dir(id: string): string {
    if (!/^[\w.-]+$/.test(id) || /^\.+$/.test(id))
      throw new EngineError('internal', `workspace id ${JSON.stringify(id)} is not a name`)
    return join(this.#root, 'workspaces', id)
  }

  #writeStack(id: string, lowers: readonly DiffId[]): void {
    writeFileSync(join(this.#dir(id), 'lowers'), JSON.stringify(lowers), { mode: 0o600 })
  }

  #readStack(id: string): DiffId[] {
    try {
      return stackRecord.parse(JSON.parse(readFileSync(join(this.#dir(id), 'lowers'), 'utf8')))
    } catch (cause) {
      if (!hasCode(cause, 'ENOENT'))
        throw new EngineError('internal', `The layer list of workspace ${id} is damaged`, { cause })
      throw new EngineError('conflict', `workspace ${id} was never mounted: its layers are not known`, {
        cause,
      })
    }
  }

  #probe(): void {
    const dir = this.#layers.makeTemporary()
    const target = join(dir, 'merged')
    try {
      for (const name of ['upper', 'work', 'merged']) mkdirSync(join(dir, name))
      mountOverlay({
        lowers: [this.#layers.emptyPath],
        upper: join(dir, 'upper'),
        work: join(dir, 'work'),
        target,
      })
      unmount(target)
      // Some empty directories: a thread that deletes them would take more memory than all else at the start.
      rmSync(dir, { recursive: true })
    } catch (cause) {
      throw new EngineError(
        'unsupported',
        `Cannot mount an overlay in ${this.#root} (${messageOf(cause)}): its file system must be able to hold overlayfs upper directories, as ext4, xfs and btrfs are`,
        { cause },
      )
    } finally {
      this.#layers.dropTemporary(dir)
    }
  }
}
