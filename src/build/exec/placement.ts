import { join } from 'node:path'
import { RootDir } from '../../host/root-dir.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import type { CopyEntry, Owner } from '../../snapshot/index.ts'
import type { CopyStep } from '../graph/works.ts'
import type { Selection } from './manifest.ts'

/**
 * A directory's content. Where something in it is left out it is named piece by piece; directories come once more at
 * the end, innermost first, to get their times back.
 */
export function directoryEntries(selection: Selection, to: { target: string; isNew: boolean }): CopyEntry[] {
  const { path, below, complete } = selection
  if (complete) return [{ source: path, target: to.target }]
  const entry = (name: string): CopyEntry => ({
    source: path === '.' ? name : `${path}/${name}`,
    target: join(to.target, name),
    shallow: true,
  })
  const own: CopyEntry[] = to.isNew ? [{ source: path, target: to.target, shallow: true }] : []
  const directories = below.filter((e) => e.type === 'd').map((e) => entry(e.path))
  return [...own, ...below.map((e) => entry(e.path)), ...directories.toReversed(), ...own]
}

/** Decides where things go, and makes the directories they go to. */
export class Placement {
  readonly #step: CopyStep
  readonly #rootPath: string
  readonly #owner: Owner | undefined

  constructor(step: CopyStep, rootPath: string, owner: Owner | undefined) {
    this.#step = step
    this.#rootPath = rootPath
    this.#owner = owner
  }

  /** Where a directory's content goes. A new target takes the directory's attributes, unless it is spelled with a slash. */
  directory(): { target: string; isNew: boolean } {
    const { target } = this.#step
    if (target.endsWith('/')) this.#mkdirAll(target)
    return { target, isNew: !this.#isDirectory(target) }
  }

  file(name: string, several: boolean): string {
    const { target } = this.#step
    if (!target.endsWith('/') && !several && !this.#isDirectory(target)) return target
    this.#mkdirAll(target)
    return join(target, name)
  }

  #isDirectory(path: string): boolean {
    using root = RootDir.open(this.#rootPath)
    try {
      return root.stat(path).kind === 'directory'
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false
      throw error
    }
  }

  #mkdirAll(path: string): void {
    using root = RootDir.open(this.#rootPath)
    try {
      const made = root.mkdirAll(path, 0o755)
      if (this.#owner && this.#step.chown !== undefined)
        for (const each of made) root.chown(each, this.#owner)
    } catch (cause) {
      if (!hasCode(cause, 'ENOTDIR', 'EEXIST')) throw cause
      throw new EngineError('invalid', `cannot copy to ${path}: a file on the way there is not a directory`, {
        cause,
      })
    }
  }
}
