import { statSync } from 'node:fs'
import { posix } from 'node:path'
import { RootDir, type FileStat } from '../host/root-dir.ts'
import type { MountRecord } from './record.ts'

/** The files of a container by their absolute paths in it: those of its root, and those that it has mounted from the host. */
export class CommandTree implements Disposable {
  readonly #places: { readonly at: string; readonly root: RootDir; readonly file?: string }[] = []

  /** What is mounted over a path is what counts there. Symlinks are followed within one mount. */
  constructor(
    rootfs: string,
    mounts: readonly Pick<MountRecord, 'type' | 'source' | 'subpath' | 'destination'>[],
  ) {
    using undo = new DisposableStack()
    undo.defer(() => this[Symbol.dispose]())
    this.#places.push({ at: '/', root: RootDir.open(rootfs) })
    for (const mount of mounts) {
      if (mount.type !== 'bind' && mount.type !== 'volume') continue
      const source = posix.join(mount.source, mount.subpath ?? '')
      const at = posix.resolve('/', mount.destination)
      // A single file that is mounted is found in its directory.
      if (statSync(source).isDirectory()) this.#places.push({ at, root: RootDir.open(source) })
      else this.#places.push({ at, root: RootDir.open(posix.dirname(source)), file: posix.basename(source) })
    }
    undo.move()
  }

  [Symbol.dispose](): void {
    for (const { root } of this.#places) root[Symbol.dispose]()
  }

  stat(path: string): FileStat {
    const { root, rel } = this.#find(path)
    return root.stat(rel)
  }

  readStart(path: string, bytes: number): Buffer {
    const { root, rel } = this.#find(path)
    return root.readStart(rel, bytes)
  }

  names(path: string): string[] {
    const { root, rel } = this.#find(path)
    return root.listBytes(rel).map((name) => name.toString())
  }

  #find(path: string): { root: RootDir; rel: string } {
    const around = this.#places.filter(({ at }) => at === '/' || path === at || path.startsWith(`${at}/`))
    const { at, root, file } = around.reduce((best, one) => (one.at.length >= best.at.length ? one : best))
    return { root, rel: file ?? (posix.relative(at, path) || '.') }
  }
}
