import type { Digest } from '../lib/digest.ts'
import type { OciImage } from '../image/index.ts'
import type { Times } from './exec/times.ts'
import type { DraftHistory, ImageDraft } from './graph/image-draft.ts'
import type { Tree } from './graph/tree.ts'

/** A finished stage → the image's config: layers in order, and a time for every row of its history. */
export function imageOf(
  draft: ImageDraft,
  results: ReadonlyMap<Digest, Tree>,
  o: { labels: Readonly<Record<string, string>>; now: string; times?: Times | undefined },
): OciImage {
  const layers = draft.tree ? (results.get(draft.tree.id)?.layers ?? []) : []
  const times = o.times
    ? draft.history.map((row) => row.created ?? o.now)
    : historyTimes(draft.history, results)
  const config = structuredClone(draft.config)
  if (Object.keys(o.labels).length > 0) config.Labels = { ...config.Labels, ...o.labels }
  return {
    architecture: draft.architecture,
    os: draft.os,
    ...(draft.variant !== undefined && { variant: draft.variant }),
    created: o.times ? o.now : (times.at(-1) ?? o.now),
    ...(draft.author !== undefined && { author: draft.author }),
    config,
    rootfs: { type: 'layers', diff_ids: [...layers] },
    history: draft.history.map((row, index) => ({
      created: times[index] ?? o.now,
      created_by: row.createdBy,
      ...(row.author !== undefined && { author: row.author }),
      ...(row.comment !== undefined && { comment: row.comment }),
      ...(row.emptyLayer && { empty_layer: true }),
    })),
  }
}

/**
 * Rows without a layer get the time of the row before; ahead of the first new layer they get that layer's, so that
 * an image that comes out of the cache again has the same id (BuildKit does likewise).
 */
function historyTimes(
  history: readonly DraftHistory[],
  results: ReadonlyMap<Digest, Tree>,
): (string | undefined)[] {
  const own = history.map((row) => row.created ?? (row.vertex && results.get(row.vertex.id)?.createdAt))
  const firstGap = own.indexOf(undefined)
  let current = own.find((time, index) => time !== undefined && index > firstGap)
  if (firstGap < 0 || current === undefined) current = own.findLast((time) => time !== undefined)
  return own.map((time, index) => {
    if (time !== undefined && index > firstGap) current = time
    return time ?? current
  })
}
