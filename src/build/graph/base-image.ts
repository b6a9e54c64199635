import { hostPlatform, type Image } from '../../image/index.ts'
import type { Vertex } from '../solver/vertex.ts'
import type { DraftHistory, ImageDraft } from './image-draft.ts'
import type { Platform } from '../../wire/registry.ts'
import { defaultPath } from './scope.ts'
import type { Tree } from './tree.ts'

/** `FROM scratch`, as BuildKit starts it. */
export function emptyDraft(platform: Platform = hostPlatform()): ImageDraft {
  return {
    config: { Env: [`PATH=${defaultPath}`], WorkingDir: '/' },
    ...platform,
    history: [],
    tree: undefined,
  }
}

/** A stage that starts from an image: its config and history. */
export function imageDraft(image: Image, tree: Vertex<Tree>): ImageDraft {
  const { config } = image
  return {
    config: structuredClone(config.config ?? {}),
    ...(config.author !== undefined && { author: config.author }),
    architecture: config.architecture,
    os: config.os,
    ...(config.variant !== undefined && { variant: config.variant }),
    history: baseHistory(image),
    tree,
  }
}

/** The image's own rows; where it has fewer rows than layers, rows are made up so that later ones meet their layers. */
function baseHistory(image: Image): DraftHistory[] {
  const rows: DraftHistory[] = (image.config.history ?? []).map((row) => ({
    createdBy: row.created_by ?? '',
    emptyLayer: row.empty_layer ?? false,
    ...(row.comment !== undefined && { comment: row.comment }),
    ...(row.author !== undefined && { author: row.author }),
    created: row.created ?? image.createdAt,
  }))
  const missing = image.layers.length - rows.filter((row) => !row.emptyLayer).length
  for (let i = 0; i < missing; i++) rows.push({ createdBy: '', emptyLayer: false, created: image.createdAt })
  return rows
}
