/** go-yaml's order of map keys: letters after everything else, numbers inside by their value. */
export function sortNaturally<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  return items
    .map((item) => ({ item, key: Array.from(keyOf(item)) }))
    .toSorted((a, b) => compare(a.key, b.key))
    .map(({ item }) => item)
}

const isDigit = (letter: string | undefined) => letter !== undefined && /^\p{Nd}$/u.test(letter)
const isLetter = (letter: string) => /^\p{L}$/u.test(letter)

function compare(a: readonly string[], b: readonly string[]): number {
  let afterDigit = false
  for (let index = 0; index < a.length && index < b.length; index++) {
    const left = a[index] ?? ''
    const right = b[index] ?? ''
    if (left === right) {
      afterDigit = isDigit(left)
      continue
    }
    const letters = [isLetter(left), isLetter(right)]
    if (letters[0] && letters[1]) return left < right ? -1 : 1
    if (letters[0] || letters[1]) return (afterDigit ? letters[0] : letters[1]) ? -1 : 1
    const leading = (left === '0' || right === '0') && insideNumber(a, index) ? '1' : ''
    const leftDigits = digitsFrom(a, index)
    const rightDigits = digitsFrom(b, index)
    const difference = Number(`${leading}${leftDigits}` || '0') - Number(`${leading}${rightDigits}` || '0')
    if (difference !== 0) return difference
    if (leftDigits.length !== rightDigits.length) return leftDigits.length - rightDigits.length
    return left < right ? -1 : 1
  }
  return a.length - b.length
}

function digitsFrom(letters: readonly string[], start: number): string {
  let end = start
  while (isDigit(letters[end])) end++
  return letters.slice(start, end).join('')
}

/** A digit other than 0 stands before, in the same number. */
function insideNumber(letters: readonly string[], index: number): boolean {
  for (let at = index - 1; at >= 0 && isDigit(letters[at]); at--) if (letters[at] !== '0') return true
  return false
}
