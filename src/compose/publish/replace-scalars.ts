import { LineCounter, parseAllDocuments, visit } from 'yaml'
import type { Place } from '../node.ts'

export interface Replacement {
  readonly at: Place
  /** Written as it is: a name that YAML takes for a text without quotes. */
  readonly text: string
}

/** The text of a Compose file with other values at some places; all else stays to the byte, comments and style. */
export function replaceScalars(text: string, replacements: readonly Replacement[]): string {
  if (replacements.length === 0) return text
  const wanted = new Map(replacements.map(({ at, text: value }) => [`${at.line}:${at.column}`, value]))
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    schema: 'failsafe',
    strict: false,
    logLevel: 'silent',
  })
  const edits: { start: number; end: number; value: string }[] = []
  for (const document of Array.isArray(documents) ? documents : [])
    visit(document, {
      Scalar(_key, { range }) {
        if (!range) return
        const { line, col } = lines.linePos(range[0])
        const value = wanted.get(`${line}:${col}`)
        if (value !== undefined) edits.push({ start: range[0], end: range[1], value })
      },
    })
  // From the end: the places before stay where they are.
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((all, { start, end, value }) => all.slice(0, start) + value + all.slice(end), text)
}
