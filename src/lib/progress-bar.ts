import { humanSize } from './units.ts'

const cells = 50

/** Docker's bar (pkg/jsonmessage): `[=====>      ]  1.2MB/3.4MB`; without a total what there is so far. */
export function formatProgress(current: number, total: number, o: { bar?: boolean } = {}): string {
  if (current <= 0 && total <= 0) return ''
  const now = humanSize(current, 4)
  if (total <= 0) return now.padStart(8)
  const filled = Math.min(cells, Math.floor((current / total) * cells))
  const bar = `[${'='.repeat(filled)}>${' '.repeat(cells - filled)}] `
  // Docker: more than promised shows no total.
  const numbers = current > total ? now.padStart(8) : `${now.padStart(8)}/${humanSize(total, 4)}`
  return o.bar === false ? numbers : bar + numbers
}
