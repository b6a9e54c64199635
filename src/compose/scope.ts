/** What loading a set of files works with: the command line's wishes, and where it is at the moment. */
import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { hasCode } from '../lib/errors.ts'
import { ComposeError, type Place } from './node.ts'
import type { RemoteFiles } from './remote/remote-file.ts'

export type Environment = ReadonlyMap<string, string>

/** Variables, and where they are from. */
export interface Surroundings {
  readonly environment: Environment
  /** The lines of env files that variables come from; what is not here, or is `nowhere`, was set by whoever called. */
  readonly sources: ReadonlyMap<string, Place>
}

export interface LoadOptions {
  readonly interpolation: boolean
  readonly normalization: boolean
  readonly pathResolution: boolean
  readonly consistency: boolean
  /** Fill services' environments from their env_file. */
  readonly envResolution: boolean
  /** Leave `label_file` where it is when its labels are taken: docker compose has it in the hashes of containers. */
  readonly keepLabelFiles?: boolean
  readonly warn: (text: string) => void
}

export interface Scope extends Surroundings {
  readonly options: LoadOptions
  /** Where relative paths begin. */
  readonly folder: string
  /** What was fetched of elsewhere. */
  readonly remotes: RemoteFiles
  /** The files that led here by `include`. */
  readonly includedBy: readonly string[]
}

export interface SourceFile {
  /** Absolute; `-` for standard input. */
  readonly path: string
  /** Read when it is absent. */
  readonly text?: string
  /** The place that names the file. */
  readonly from?: Place
}

/** As people know the file: relative when it is below the folder they are in. */
export function shownFile(path: string): string {
  if (path === '-') return '<stdin>'
  const short = relative(process.cwd(), path)
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short
}

export function readSource({ path, text, from }: SourceFile): string {
  if (text !== undefined) return text
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EISDIR', 'EACCES', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) throw error
    const why = hasCode(error, 'ENOENT', 'ENOTDIR')
      ? 'no such file or directory'
      : hasCode(error, 'EISDIR')
        ? 'is a directory'
        : 'cannot be read'
    throw new ComposeError(from ?? { file: '', line: 0, column: 0 }, `open ${path}: ${why}`, { cause: error })
  }
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

export function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path)
}
