/**
 * Patterns as Go's programs read them, matched in time that grows with pattern times text, whatever the pattern: an
 * ignore file or a Dockerfile cannot make the daemon think for minutes. Text is looked at by code points, as Go does.
 */
export interface Glob {
  /** Whether all of the text matches. */
  test(text: string): boolean
}

/** One place of a pattern: what may stand there, and how often. */
export type Piece =
  | { readonly kind: 'one' | 'any'; readonly set: CodeSet }
  /** `(.*\/)?`: any number of directories. */
  | { readonly kind: 'directories' }
  /** Only at the beginning of the text. */
  | { readonly kind: 'start' }

/** Code points in ranges, or all but those. */
export interface CodeSet {
  readonly negated: boolean
  readonly ranges: readonly (readonly [first: number, last: number])[]
}

export const single = (code: number): CodeSet => ({ negated: false, ranges: [[code, code]] })
export const anything: CodeSet = { negated: true, ranges: [] }
export const notSlash: CodeSet = { negated: true, ranges: [[47, 47]] }
/** Go's `.`. */
export const notNewline: CodeSet = { negated: true, ranges: [[10, 10]] }

const has = (set: CodeSet, code: number): boolean =>
  set.ranges.some(([first, last]) => code >= first && code <= last) !== set.negated

/**
 * With few repetitions the engine's own regular expressions are as safe, and faster: each one is at worst another factor
 * of the length of a path.
 */
const maxRepetitions = 2

export function compileGlob(pieces: readonly Piece[]): Glob {
  const repetitions = pieces.filter((piece) => piece.kind === 'any' || piece.kind === 'directories').length
  if (repetitions <= maxRepetitions) return new RegExp(`^${pieces.map(sourceOf).join('')}$`, 'u')
  const machine = new Machine(pieces)
  return { test: (text) => machine.longest(Array.from(text)) === Array.from(text).length }
}

function sourceOf(piece: Piece): string {
  switch (piece.kind) {
    case 'start':
      return '^'
    case 'directories':
      return '(?:[^\\n]*/)?'
    case 'one':
    case 'any': {
      const hex = (code: number) => `\\u{${code.toString(16)}}`
      const ranges = piece.set.ranges.map(([first, last]) => `${hex(first)}-${hex(last)}`).join('')
      return `[${piece.set.negated ? '^' : ''}${ranges}]${piece.kind === 'any' ? '*' : ''}`
    }
  }
}

interface Found {
  readonly start: number
  readonly end: number
}

/** A pattern as a set of places where it may be; all of them move on at once with each code point. */
export class Machine {
  readonly #pieces: readonly Piece[]

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces
  }

  /** Length of the longest beginning of the text that matches; -1: none. */
  longest(text: readonly string[]): number {
    return this.#search(text, { anchored: true, from: 0 })?.end ?? -1
  }

  shortest(text: readonly string[]): number {
    return this.#search(text, { anchored: true, from: 0, first: true })?.end ?? -1
  }

  /** The first place that matches at or behind `from`, as long as it can be. */
  find(text: readonly string[], from: number): Found | undefined {
    return this.#search(text, { anchored: false, from })
  }

  #search(
    text: readonly string[],
    o: { anchored: boolean; from: number; first?: boolean },
  ): Found | undefined {
    const pieces = this.#pieces
    // Two places for each piece: before it, and inside the directories that it stands for. The smallest start counts.
    const size = 2 * pieces.length + 1
    let places = new Float64Array(size).fill(Infinity)
    let best: Found | undefined
    for (let at = o.from; at <= text.length; at++) {
      if (best === undefined && (!o.anchored || at === o.from))
        places[0] = Math.min(places[0] ?? Infinity, at)
      for (const [index, piece] of pieces.entries()) {
        const start = places[2 * index] ?? Infinity
        if (start === Infinity) continue
        const free =
          piece.kind === 'any' || piece.kind === 'directories' || (piece.kind === 'start' && at === 0)
        if (free) places[2 * index + 2] = Math.min(places[2 * index + 2] ?? Infinity, start)
      }
      const ended = places[size - 1] ?? Infinity
      if (ended !== Infinity && (best === undefined || ended <= best.start)) best = { start: ended, end: at }
      if (best && o.first) return best
      if (at === text.length) break
      const next = this.#step(places, text[at]?.codePointAt(0) ?? 0, best?.start ?? Infinity)
      if (!next && (o.anchored || best)) break
      places = next ?? new Float64Array(size).fill(Infinity)
    }
    return best
  }

  /** Nothing: no place is left. Those that began behind `limit` do not count. */
  #step(places: Float64Array, code: number, limit: number): Float64Array<ArrayBuffer> | undefined {
    const next = new Float64Array(places.length).fill(Infinity)
    let alive = false
    const put = (place: number, start: number) => {
      next[place] = Math.min(next[place] ?? Infinity, start)
      alive = true
    }
    for (const [index, piece] of this.#pieces.entries()) {
      const before = places[2 * index] ?? Infinity
      const inside = places[2 * index + 1] ?? Infinity
      if (piece.kind === 'directories') {
        const start = Math.min(before, inside)
        if (start > limit || start === Infinity || code === 10) continue
        put(2 * index + 1, start)
        if (code === 47) put(2 * index + 2, start)
        continue
      }
      if (before > limit || before === Infinity || piece.kind === 'start' || !has(piece.set, code)) continue
      put(piece.kind === 'any' ? 2 * index : 2 * index + 2, before)
    }
    return alive ? next : undefined
  }
}
