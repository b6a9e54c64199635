import type { ImageConfig } from '../../wire/container.ts'
import type { Vertex } from '../solver/vertex.ts'
import type { Tree } from './tree.ts'

/** A history row whose time is known only when its layer has been made. */
export interface DraftHistory {
  readonly createdBy: string
  readonly comment?: string
  readonly author?: string
  /** ISO; absent: taken from the vertex or from the rows around it. */
  readonly created?: string
  /** The vertex that gives the row its layer. */
  readonly vertex?: Vertex<Tree>
  readonly emptyLayer: boolean
}

/** An image while its stage is read: everything but the times and digests of layers to come. */
export interface ImageDraft {
  config: ImageConfig
  author?: string
  architecture: string
  os: string
  variant?: string
  history: DraftHistory[]
  /** The last file tree; none for `FROM scratch` without steps. */
  tree: Vertex<Tree> | undefined
}

export function cloneDraft(draft: ImageDraft): ImageDraft {
  return { ...draft, config: structuredClone(draft.config), history: [...draft.history] }
}

/** One row for an instruction; with a vertex, one that has a layer. */
export function addHistory(draft: ImageDraft, createdBy: string, vertex?: Vertex<Tree>): void {
  draft.history.push({
    createdBy,
    comment: 'buildkit.dockerfile.v0',
    emptyLayer: vertex === undefined,
    ...(vertex && { vertex }),
  })
  if (vertex) draft.tree = vertex
}
