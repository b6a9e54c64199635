/**
 * What a plain (unquoted) scalar means, by the rules of docker's YAML library (go-yaml 3): YAML 1.2's core schema, and of
 * 1.1 the octal numbers with a leading zero, binary ones and underscores. `yes`, `on` and their kin are text.
 */
import type { Scalar } from '../node.ts'

export type Resolved = Pick<Scalar, 'value' | 'float'>

const nulls = new Set(['', '~', 'null', 'Null', 'NULL'])
const truths: Readonly<Record<string, boolean>> = {
  true: true,
  True: true,
  TRUE: true,
  false: false,
  False: false,
  FALSE: false,
}
const specials: Readonly<Record<string, number>> = {
  '.inf': Infinity,
  '.Inf': Infinity,
  '.INF': Infinity,
  '+.inf': Infinity,
  '+.Inf': Infinity,
  '+.INF': Infinity,
  '-.inf': -Infinity,
  '-.Inf': -Infinity,
  '-.INF': -Infinity,
  '.nan': NaN,
  '.NaN': NaN,
  '.NAN': NaN,
}
const float = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/

export function resolvePlain(text: string): Resolved {
  if (nulls.has(text)) return { value: null }
  if (Object.hasOwn(truths, text)) return { value: truths[text] ?? false }
  if (Object.hasOwn(specials, text)) return { value: specials[text] ?? NaN, float: true }
  if (!/^[-+.0-9]/.test(text)) return { value: text }
  const plain = text.replaceAll('_', '')
  const integer = integerOf(plain)
  // What a number cannot hold to the last digit stays as written.
  if (integer !== undefined) return { value: Number.isSafeInteger(integer) ? integer : text }
  return float.test(plain) ? { value: Number(plain), float: true } : { value: text }
}

function integerOf(text: string): number | undefined {
  const match = /^([-+]?)(0b[01]+|0o[0-7]+|0x[0-9a-fA-F]+|0[0-7]+|0|[1-9][0-9]*)$/.exec(text)
  if (!match) return undefined
  const [, sign, digits = ''] = match
  const value = Number(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits)
  return sign === '-' ? -value : value
}

/** True when a text must be quoted to stay one: what resolvePlain() or a parser of YAML 1.1 would take for something else. */
export function looksTyped(text: string): boolean {
  return (
    typeof resolvePlain(text).value !== 'string' ||
    oldBooleans.has(text) ||
    /^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?$/.test(text) ||
    timestamp.test(text)
  )
}

const timestamp =
  /^\d{4}-\d{1,2}-\d{1,2}([Tt ][ \t]*\d{1,2}:\d{1,2}:\d{1,2}(\.\d*)?([ \t]*(Z|[-+]\d{1,2}(:?\d{2})?))?)?$/
const oldBooleans = new Set([
  'y',
  'Y',
  'yes',
  'Yes',
  'YES',
  'on',
  'On',
  'ON',
  'n',
  'N',
  'no',
  'No',
  'NO',
  'off',
  'Off',
  'OFF',
])
