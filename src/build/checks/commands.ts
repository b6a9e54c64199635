import { findHeredocs } from '../dockerfile/parser.ts'
import type { InstructionOf } from '../dockerfile/instructions.ts'

/** One command of a RUN: its words, without quotes, in the order of the text. */
export type Command = readonly string[]

/**
 * The commands that a RUN runs, as far as the text tells: split at `&&`, `||`, `;`, `|`, `&` and line ends outside
 * quotes; assignments, `sudo`, `exec` and the like in front are left out. Not a shell: good enough to recognise `apt-get install`.
 */
export function commandsOf(i: InstructionOf<'run'>): Command[] {
  if (i.command.form === 'exec') {
    const [program = '', flag = '', script] = i.command.args
    return /(?:^|\/)(?:ba|da|a)?sh$/.test(program) && /^-\w*c$/.test(flag) && script !== undefined
      ? split(script)
      : [bare([...i.command.args])]
  }
  const text = i.command.args.join(' ')
  const [only] = findHeredocs(text, '\\')
  const documents = i.heredocs.map((doc) => doc.content)
  // A here-document that is not the script itself is input of a command, and no command.
  if (documents.length > 0 && only?.length === text.length) return split(documents[0] ?? '')
  return split(text)
}

const separators = /^(?:&&|\|\||[;|&\n(){}])/

function split(text: string): Command[] {
  const commands: Command[] = []
  let words: string[] = []
  let word: string | undefined
  const endWord = () => {
    if (word !== undefined) words.push(word)
    word = undefined
  }
  const endCommand = () => {
    endWord()
    const command = bare(words)
    if (command.length > 0) commands.push(command)
    words = []
  }
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const ch = text[at] ?? ''
    if (quote !== '') {
      if (ch === quote) quote = ''
      else word = (word ?? '') + ch
    } else if (ch === '"' || ch === "'") {
      quote = ch
      word ??= ''
    } else if (ch === '\\') {
      const next = text[++at] ?? ''
      if (next !== '\n') word = (word ?? '') + next
    } else if (ch === '#' && word === undefined) {
      while (at + 1 < text.length && text[at + 1] !== '\n') at++
    } else if (
      separators.test(ch) &&
      !(ch === '{' && word !== undefined) &&
      !(ch === '}' && word !== undefined)
    )
      endCommand()
    else if (/\s/.test(ch)) endWord()
    else word = (word ?? '') + ch
  }
  endCommand()
  return commands
}

const prefixes: ReadonlySet<string> = new Set([
  'sudo',
  'exec',
  'time',
  'nice',
  'env',
  'then',
  'do',
  'else',
  'if',
  'while',
  '!',
  'command',
  'set',
])

function bare(words: string[]): string[] {
  let start = 0
  while (
    start < words.length &&
    (prefixes.has(words[start] ?? '') || /^[A-Za-z_]\w*=/.test(words[start] ?? ''))
  ) {
    if (words[start] === 'set') return []
    start++
  }
  const [program = '', ...rest] = words.slice(start)
  return program === '' ? [] : [program.slice(program.lastIndexOf('/') + 1), ...rest]
}

/** Whether a command is this program with this sub-command: `is(command, 'apt-get', 'install')`; flags in between do not count. */
export function is(command: Command, programs: string | readonly string[], ...verbs: string[]): boolean {
  const [program = '', ...rest] = command
  if (!(typeof programs === 'string' ? [programs] : programs).includes(program)) return false
  if (verbs.length === 0) return true
  const first = rest.find((word) => !word.startsWith('-'))
  return first !== undefined && verbs.includes(first)
}

/** What follows the sub-command, without flags: the packages of `apt-get install -y a b`. */
export function operands(command: Command): string[] {
  return command
    .slice(1)
    .filter((word) => !word.startsWith('-'))
    .slice(1)
}
