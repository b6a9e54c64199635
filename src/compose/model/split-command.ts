/**
 * A command line as words, the way docker compose splits one (mattn/go-shellwords, which replaces nothing): quotes and
 * backslashes count, what is in backquotes or `$(…)` stays together, and where a shell would begin another command (`;`, `|`,
 * `&`, `<`, `>`) the line ends. Who wants a shell writes `sh -c '…'`.
 */
import { ComposeError, type Place } from '../node.ts'

export function splitCommand(line: string, at: Place): string[] {
  const words: string[] = []
  let word: string | undefined
  /** What ends the quotation that is open. */
  let closing = ''
  for (let index = 0; index < line.length; index++) {
    const letter = line[index] ?? ''
    if (letter === '\\' && closing !== "'") {
      if (++index >= line.length) throw invalid(at, 'it ends in a backslash')
      word = (word ?? '') + (line[index] ?? '')
    } else if (closing !== '') {
      const ends = letter === closing
      if (!ends || closing === '`' || closing === ')') word = (word ?? '') + letter
      if (ends) closing = ''
    } else if (letter === '"' || letter === "'") {
      closing = letter
      word ??= ''
    } else if (letter === '`' || (letter === '(' && word?.endsWith('$'))) {
      closing = letter === '`' ? letter : ')'
      word = (word ?? '') + letter
    } else if (letter === '(') throw invalid(at, 'it has a ( that is not quoted')
    else if (/[;&|<>]/.test(letter)) break
    else if (/[ \t\r\n]/.test(letter)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + letter
  }
  if (closing !== '') throw invalid(at, `no closing ${closing}`)
  return word === undefined ? words : [...words, word]
}

function invalid(at: Place, why: string): ComposeError {
  return new ComposeError(at, `invalid command line string: ${why}`)
}
