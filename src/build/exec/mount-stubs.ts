import { RootDir } from '../../host/root-dir.ts'

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
      const parts = resolve(root, destination)
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
      if (stat?.kind === 'directory' && upper.list(path).length === 0) upper.rmdir(path)
      else if (stat?.kind === 'file' && stat.size === 0) upper.unlink(path)
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

/** The parts of a path with the links on its way followed, as the runtime follows them: within the tree. */
function resolve(root: RootDir, path: string): string[] {
  const todo = path.split('/')
  const done: string[] = []
  for (let links = 0; todo.length > 0;) {
    const part = todo.shift() ?? ''
    if (part === '' || part === '.') continue
    if (part === '..') {
      done.pop()
      continue
    }
    done.push(part)
    if (root.tryLstat(done.join('/'))?.kind !== 'symlink' || ++links > 40) continue
    const target = root.readlink(done.join('/')).toString()
    if (target.startsWith('/')) done.length = 0
    else done.pop()
    todo.unshift(...target.split('/'))
  }
  return done
}
