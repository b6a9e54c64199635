/** A command line as words, the way docker compose splits one (mattn/go-shellwords, without variables). */
import { ComposeError, type Place } from '../node.ts'

export function splitCommand(line: string, at: Place): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let index = 0; index < line.length; index++) {
    const letter = line[index] ?? ''
    if (letter === '\\' && quote !== "'") {
      index++
      if (index >= line.length)
        throw new ComposeError(at, 'invalid command line string: it ends in a backslash')
      word = (word ?? '') + (line[index] ?? '')
    } else if (quote !== '') {
      if (letter === quote) quote = ''
      else word = (word ?? '') + letter
    } else if (letter === '"' || letter === "'") {
      quote = letter
      word ??= ''
    } else if (/[ \t\r\n]/.test(letter)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + letter
  }
  if (quote !== '') throw new ComposeError(at, `invalid command line string: no closing ${quote}`)
  if (word !== undefined) words.push(word)
  return words
}
