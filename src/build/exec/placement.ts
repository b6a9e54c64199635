import { dirname, join } from 'node:path'
import { RootDir } from '../../host/root-dir.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { cleanPath } from '../../lib/ignore.ts'
import type { CopyEntry, Owner } from '../../snapshot/index.ts'
import type { CopyStep } from '../graph/works.ts'
import { followLinks } from './follow-links.ts'
import type { Selection } from './manifest.ts'

/** A directory's content; where something in it is left out, what is not is named. */
export function directoryEntry({ path, below, complete }: Selection, target: string): CopyEntry {
  return { source: path, target, ...(!complete && { only: below.map((entry) => entry.path) }) }
}

/** Decides where things go, and makes the directories they go to. Links at the target are followed inside the tree. */
export class Placement {
  readonly #step: CopyStep
  readonly #rootPath: string
  readonly #owner: Owner | undefined

  constructor(step: CopyStep, rootPath: string, owner: Owner | undefined) {
    this.#step = step
    this.#rootPath = rootPath
    this.#owner = owner
  }

  /** Where a directory's content goes. BuildKit: the directory's own attributes are no part of what is copied. */
  directory(): string {
    const { target } = this.#step
    this.#mkdirAll(target)
    return target
  }

  file(name: string, several: boolean): string {
    const target = this.#followed(this.#step.target)
    const directory = this.#step.target.endsWith('/') || this.#isDirectory(target)
    if (!directory && several)
      throw new EngineError(
        'invalid',
        `When using ${this.#step.instruction ?? 'COPY'} with more than one source file, the destination must be a directory and end with a /`,
      )
    if (!directory) {
      this.#mkdirAll(dirname(target))
      return target
    }
    this.#mkdirAll(target)
    return join(target, name)
  }

  /** The path itself when it is no link; where it leads to, which need not exist, when it is one. */
  #followed(path: string): string {
    using root = RootDir.open(this.#rootPath)
    return `/${followLinks(root, path).join('/')}`
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
      throw new EngineError('invalid', `cannot copy to non-directory: ${cleanPath(path)}`, { cause })
    }
  }
}
