/** Between two columns: lines that leave one box together and turn off to others. */
export interface Net {
  /** Row in which it comes from the left. */
  readonly from: number
  /** Rows in which it goes on to the right. */
  readonly to: readonly number[]
}

/**
 * For each net the lane, from the left, in which it runs up and down; undefined for one that goes straight on. A net that comes
 * in the row in which another one leaves has the lane before it: else the two would look like one.
 */
export function lanesOf(nets: readonly Net[]): (number | undefined)[] {
  const lanes: (number | undefined)[] = nets.map(() => undefined)
  const waiting = new Set(
    nets.flatMap(({ from, to }, index) => (to.every((row) => row === from) ? [] : [index])),
  )
  const comesFirst = (index: number, other: number) => {
    const [net, before] = [nets[index], nets[other]]
    return index !== other && net !== undefined && before !== undefined && net.to.includes(before.from)
  }
  for (let lane = 0; waiting.size > 0; lane++) {
    const free = [...waiting].find((index) => ![...waiting].some((other) => comesFirst(index, other)))
    const [next] = free === undefined ? waiting : [free]
    if (next === undefined) break
    lanes[next] = lane
    waiting.delete(next)
  }
  return lanes
}
