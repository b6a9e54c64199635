/** For tests: numbers as of Math.random(), the same ones for the same seed, so that a failure can be repeated (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The same as whole numbers from 0, below what each call asks for. */
export function seededChoice(seed: number): (below: number) => number {
  const next = seededRandom(seed)
  return (below) => Math.floor(next() * below)
}
