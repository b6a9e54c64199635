/** Values by patterns of paths, `services.*.ports`: `*` is any key, `*` or `[]` any item. */
import type { Path } from './node.ts'

interface Branch<T> {
  readonly next: Map<string, Branch<T>>
  value?: T
}

export class PathTable<T> {
  readonly #root: Branch<T> = { next: new Map() }

  constructor(patterns: Readonly<Record<string, T>>) {
    for (const [pattern, value] of Object.entries(patterns)) {
      let branch = this.#root
      for (const part of pattern.split('.')) {
        const next: Branch<T> = branch.next.get(part) ?? { next: new Map() }
        branch.next.set(part, next)
        branch = next
      }
      branch.value = value
    }
  }

  find(path: Path): T | undefined {
    return search(this.#root, path, 0)
  }
}

/** The pattern that names a key wins over the one that has `*` for it. */
function search<T>(branch: Branch<T>, path: Path, index: number): T | undefined {
  const part = path[index]
  if (part === undefined) return branch.value
  for (const key of [part, '*']) {
    const next = branch.next.get(key)
    const found = next && search(next, path, index + 1)
    if (found !== undefined) return found
  }
  return undefined
}
