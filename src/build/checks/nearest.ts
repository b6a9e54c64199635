import { editDistance } from '../dockerfile/suggest.ts'

/** BuildKit: a name is meant that differs in at most two letters; none when the very name is there. */
export function nearest(name: string, options: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = 3
  for (const option of options) {
    if (option === name) return undefined
    const distance = editDistance(name, option)
    if (distance >= least) continue
    least = distance
    best = option
  }
  return best
}
