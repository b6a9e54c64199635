interface Wish {
  readonly wanted: number
  readonly weight: number
}

/**
 * Positions in the given order, at least `gap(index)` after the one before, as near to where each wants to be as squares can
 * tell (isotonic regression by pooling neighbours that are in each other's way).
 */
export function separated(wishes: readonly Wish[], gap: (index: number) => number): number[] {
  const shifts: number[] = []
  const pools: { sum: number; weight: number; count: number }[] = []
  for (const [index, { wanted, weight }] of wishes.entries()) {
    const shift = index === 0 ? 0 : (shifts[index - 1] ?? 0) + gap(index)
    shifts.push(shift)
    pools.push({ sum: (wanted - shift) * weight, weight, count: 1 })
    for (;;) {
      const [before, last] = pools.slice(-2)
      if (!before || !last || before.sum / before.weight <= last.sum / last.weight) break
      pools.splice(-2, 2, {
        sum: before.sum + last.sum,
        weight: before.weight + last.weight,
        count: before.count + last.count,
      })
    }
  }
  const bases = pools.flatMap(({ sum, weight, count }) => Array<number>(count).fill(sum / weight))
  return bases.map((base, index) => base + (shifts[index] ?? 0))
}
