/** The candidate that a mistyped word most likely meant: two letters away (swapped ones count two), or a third of a long word's. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  let best: { distance: number; candidate: string } | undefined
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate)
    if (
      distance <= Math.max(word.length > 3 ? 2 : 1, Math.floor(word.length / 3)) &&
      (!best || distance < best.distance)
    )
      best = { distance, candidate }
  }
  return best?.candidate
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++)
      next.push(
        Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === b[j] ? 0 : 1)),
      )
    row = next
  }
  return row.at(-1) ?? 0
}
