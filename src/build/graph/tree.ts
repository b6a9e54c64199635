import type { Digest } from '../../lib/digest.ts'
import type { Scan } from '../context/scan.ts'

/** What a vertex gives: a file tree as a stack of layers (bottom first), or the build context. */
export interface Tree {
  readonly layers: readonly Digest[]
  /** When the last layer was made (ISO); cached results keep their first time. */
  readonly createdAt: string
  readonly context?: ContextTree
}

/** The part of the build context that this build may copy from. */
export interface ContextTree {
  /** Absolute path of the directory. */
  readonly root: string
  readonly scan: Scan
  /** Walks one source again, to see whether it changed. */
  rescan(signal: AbortSignal, wanted: readonly string[]): Promise<Scan>
}
