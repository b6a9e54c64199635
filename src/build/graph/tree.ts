import type { Digest } from '../../lib/digest.ts'
import type { Scan } from '../context/scan.ts'
import type { Vertex } from '../solver/vertex.ts'

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

/** Where COPY and mounts take files from. */
export interface FileSource {
  /** Files of a context belong to root, those of a tree (a stage, an image) keep their owners. */
  readonly kind: 'context' | 'tree'
  /** The vertex that gives them; a context is read only as far as patterns were asked for. */
  take(patterns: readonly string[]): Vertex<Tree>
}
