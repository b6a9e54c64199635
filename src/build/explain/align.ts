export interface PlacedStep {
  readonly stage: string
  /** The instruction in capitals: `COPY`. */
  readonly kind: string
  readonly text: string
}

/**
 * Finds for each new step the old one that it most likely is: within a stage, equal texts in order first (as diff does it);
 * between them, steps of the same instruction one after the other.
 */
export function align<Old extends PlacedStep, New extends PlacedStep>(
  before: readonly Old[],
  after: readonly New[],
): Map<New, Old> {
  const pairs = new Map<New, Old>()
  for (const stage of new Set(after.map((step) => step.stage))) {
    const [old, now] = [before, after].map((steps) => steps.filter((step) => step.stage === stage)) as [
      Old[],
      New[],
    ]
    let [oldFrom, nowFrom] = [0, 0]
    for (const [i, j] of [...commonTexts(old, now), [old.length, now.length] as const]) {
      pairByKind(old.slice(oldFrom, i), now.slice(nowFrom, j), pairs)
      const [was, is] = [old[i], now[j]]
      if (was && is) pairs.set(is, was)
      ;[oldFrom, nowFrom] = [i + 1, j + 1]
    }
  }
  return pairs
}

function pairByKind<Old extends PlacedStep, New extends PlacedStep>(
  old: Old[],
  now: New[],
  pairs: Map<New, Old>,
): void {
  for (const step of now) {
    const index = old.findIndex((candidate) => candidate.kind === step.kind)
    const found = old[index]
    if (!found) continue
    pairs.set(step, found)
    // In order: what comes before it is past.
    old.splice(0, index + 1)
  }
}

/** Indexes of a longest common subsequence of texts. */
function commonTexts(old: readonly PlacedStep[], now: readonly PlacedStep[]): [number, number][] {
  const lengths = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1))
  const at = (i: number, j: number) => lengths[i]?.[j] ?? 0
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--) {
      const row = lengths[i]
      if (row)
        row[j] = old[i]?.text === now[j]?.text ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  const found: [number, number][] = []
  for (let [i, j] = [0, 0]; i < old.length && j < now.length;) {
    if (old[i]?.text === now[j]?.text) found.push([i++, j++])
    else if (at(i + 1, j) >= at(i, j + 1)) i++
    else j++
  }
  return found
}
