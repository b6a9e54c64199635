import { anything, compileGlob, notSlash, single, type Glob, type Piece } from './glob.ts'

/** A pattern of names with components, as those of repositories: `*` is any text within a component, `**` across them. */
export function namePattern(text: string): Glob {
  const pieces: Piece[] = []
  for (const part of text.split(/(\*+)/)) {
    if (part.startsWith('*')) pieces.push({ kind: 'any', set: part.length > 1 ? anything : notSlash })
    else for (const char of part) pieces.push({ kind: 'one', set: single(char.codePointAt(0) ?? 0) })
  }
  return compileGlob(pieces)
}
