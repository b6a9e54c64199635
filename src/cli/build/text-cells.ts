/** Text by the cells that it takes on a terminal. */

const zero = /^[\p{Mn}\p{Me}\p{Cf}]$/u
const wide =
  /^[\u{1100}-\u{115f}\u{2e80}-\u{303e}\u{3041}-\u{a4cf}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe6f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]$/u
const plain = /^[\x20-\x7e]*$/

function cellsOfCharacter(character: string): number {
  if (zero.test(character)) return 0
  return wide.test(character) ? 2 : 1
}

export function cellsOf(text: string): number {
  if (plain.test(text)) return text.length
  let cells = 0
  for (const character of text) cells += cellsOfCharacter(character)
  return cells
}

/** At most `room` cells of it; where something is cut off, `...` at the end when there is room for that. */
export function clipCells(text: string, room: number): string {
  if (cellsOf(text) <= room) return text
  const dots = room >= 12 ? '...' : ''
  let cells = 0
  let kept = ''
  for (const character of text) {
    const more = cellsOfCharacter(character)
    if (cells + more > room - dots.length) break
    cells += more
    kept += character
  }
  return kept + dots
}
