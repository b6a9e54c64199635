import { RootDir } from '../../host/root-dir.ts'
import { followLinks } from './follow-links.ts'

interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/**
 * The runtime makes mount points (`/proc`, `/etc/hosts`, …) where an image has none, and copies up their parents.
 * Neither is the step's work: they are taken out of what it wrote, as long as they are still empty.
 */
export class MountStubs {
  readonly #missing: readonly string[]
  readonly #parents: ReadonlyMap<string, Attributes>

  private constructor(missing: readonly string[], parents: ReadonlyMap<string, Attributes>) {
    this.#missing = missing
    this.#parents = parents
  }

  /** Looks at the tree before the step. `destinations` are absolute. */
  static note(rootPath: string, destinations: readonly string[]): MountStubs {
    using root = RootDir.open(rootPath)
    const missing = new Set<string>()
    const parents = new Map<string, Attributes>()
    for (const destination of destinations) {
      // As the runtime follows them.
      const parts = followLinks(root, destination)
      for (let i = 1; i <= parts.length; i++) {
        const path = parts.slice(0, i).join('/')
        const stat = root.tryLstat(path)
        if (!stat) missing.add(path)
        else if (stat.kind === 'directory') parents.set(path, stat)
      }
    }
    return new MountStubs([...missing], parents)
  }

  /** Works on the directory of what the step wrote, when it is no longer mounted. */
  clean(upperPath: string): void {
    using upper = RootDir.open(upperPath)
    const deepest = (a: string, b: string) => b.split('/').length - a.split('/').length
    for (const path of this.#missing.toSorted(deepest)) {
      const stat = upper.tryLstat(path)
      if (stat?.kind === 'directory') {
        if (upper.list(path).length === 0) upper.rmdir(path)
        // crun makes directories on the way to a mount point sticky.
        else if (stat.mode === 0o1755) upper.chmod(path, 0o755)
      } else if (stat?.kind === 'file' && stat.size === 0) upper.unlink(path)
    }
    for (const [path, before] of [...this.#parents].toSorted(([a], [b]) => deepest(a, b))) {
      const stat = upper.tryLstat(path)
      if (stat?.kind !== 'directory' || upper.list(path).length > 0) continue
      if (stat.mode !== before.mode || stat.uid !== before.uid || stat.gid !== before.gid) continue
      // An opaque directory hides what is below: the step removed and made it again.
      if (upper.getXattr(path, 'trusted.overlay.opaque')?.toString() === 'y') continue
      upper.rmdir(path)
    }
  }
}
