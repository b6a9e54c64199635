/** The option closest to a word that was probably mistyped, if one is close enough. */
export function suggest(word: string, options: Iterable<string>): string | undefined {
  let best: { option: string; distance: number } | undefined
  for (const option of options) {
    const distance = editDistance(word.toLowerCase(), option.toLowerCase())
    if (distance < (best?.distance ?? Infinity)) best = { option, distance }
  }
  return best && best.distance > 0 && best.distance <= Math.max(1, Math.floor(best.option.length / 3))
    ? best.option
    : undefined
}

/** ` (did you mean X?)` or nothing. */
export function didYouMean(word: string, options: Iterable<string>): string {
  const found = suggest(word, options)
  return found === undefined ? '' : ` (did you mean ${found}?)`
}

/** Letters to add, take away, change or swap with the next; infinite for words too long to be mistyped. */
export function editDistance(a: string, b: string): number {
  // Long words are never typing mistakes of ours, and the table is quadratic.
  if (a.length > 64 || b.length > 64) return Infinity
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped =
        a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? Infinity) + 1 : Infinity
      row.push(Math.min(replaced, swapped, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    before = previous
    previous = row
  }
  return previous[b.length] ?? Infinity
}
