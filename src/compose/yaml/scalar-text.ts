/** How go-yaml's emitter (a port of libyaml's) writes a string: plain where it can, quoted or as a block where it must. */
import { looksTyped } from './plain-scalar.ts'

interface Where {
  /** Levels of indentation of the line it stands on. */
  readonly level: number
  readonly key: boolean
}

export function scalarText(text: string, { level, key }: Where): string {
  const found = analyze(text)
  if (text.includes('\n') && !key && found.blockAllowed) return literal(text, level)
  if (text.includes('\n') || looksTyped(text)) return doubleQuoted(text)
  if (found.plainAllowed) return text
  return found.singleAllowed ? `'${text.replaceAll("'", "''")}'` : doubleQuoted(text)
}

/** The emitter's view of a text: which styles would keep it as it is. */
interface Analysis {
  readonly plainAllowed: boolean
  readonly singleAllowed: boolean
  readonly blockAllowed: boolean
}

// eslint-disable-next-line no-control-regex
const unprintable = /[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/u
const breaks = /[\r\n\x85\u2028\u2029]/

function analyze(text: string): Analysis {
  if (text === '') return { plainAllowed: true, singleAllowed: true, blockAllowed: false }
  const special = unprintable.test(text)
  const tabs = text.includes('\t')
  const hasBreaks = breaks.test(text)
  const edge = /^[ \r\n\x85\u2028\u2029]|[ \r\n\x85\u2028\u2029]$/.test(text)
  const spaceBeforeBreak = / [\r\n\x85\u2028\u2029]/.test(text)
  const spaceAfterBreak = /[\r\n\x85\u2028\u2029] /.test(text)
  const quotedAllowed = !spaceAfterBreak && !spaceBeforeBreak && !tabs && !special
  return {
    plainAllowed: quotedAllowed && !edge && !hasBreaks && !indicators.test(text),
    singleAllowed: quotedAllowed,
    blockAllowed: !text.endsWith(' ') && !spaceBeforeBreak && !special,
  }
}

/** What would begin something else in a block: at the start, before a space, or behind one. */
const indicators = /^(?:---|\.\.\.)|^[#,[\]{}&*!|>'"%@`]|^[?:-](?=[\s\0]|$)|:(?=[ \t\r\n]|$)|[ \t\r\n]#/

function literal(text: string, level: number): string {
  const pad = '  '.repeat(level + 1)
  const hint = /^[ \n\r]/.test(text) ? '2' : ''
  const chomp = !text.endsWith('\n') ? '-' : text === '\n' || text.endsWith('\n\n') ? '+' : ''
  const lines = (chomp === '-' ? text : text.slice(0, -1)).split('\n')
  return `|${hint}${chomp}\n${lines.map((line) => (line === '' ? '' : pad + line)).join('\n')}`
}

const escapes: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\x85': '\\N',
  '\u2028': '\\L',
  '\u2029': '\\P',
}

function doubleQuoted(text: string): string {
  return `"${Array.from(text, escaped).join('')}"`
}

function escaped(letter: string): string {
  const known = escapes[letter]
  if (known !== undefined) return known
  if (!unprintable.test(letter)) return letter
  const code = letter.codePointAt(0) ?? 0
  const hex = code.toString(16).toUpperCase()
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}
