/**
 * What a model is written from, as YAML or JSON: Go's structs keep the order of their fields, its maps are sorted by the
 * writer, each format in its own way.
 */
export type Out = string | number | Float | boolean | null | readonly Out[] | Fields | Dict

/** A number that YAML writes as Go's float, even if it is whole. */
export class Float {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

/** In the order given. */
export class Fields {
  readonly entries: readonly (readonly [string, Out])[]
  constructor(entries: readonly (readonly [string, Out])[]) {
    this.entries = entries
  }
}

/** Sorted when written. */
export type Dict = ReadonlyMap<string, Out>

/** Shortest text of Go's `%g`: an exponent from 1e6 on and below 1e-4 (strconv.FormatFloat with 'g', -1). */
export function shortFloat(value: number): string {
  if (Number.isNaN(value)) return '.nan'
  if (!Number.isFinite(value)) return value > 0 ? '+.inf' : '-.inf'
  if (value === 0) return '0'
  const [digits = '', power = ''] = value.toExponential().split('e')
  const exponent = Number(power)
  if (exponent >= -4 && exponent < 6) return plainDecimal(digits, exponent)
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

function plainDecimal(digits: string, exponent: number): string {
  const sign = digits.startsWith('-') ? '-' : ''
  const all = digits.replace(/[-.]/g, '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${all}`
  const whole = all.padEnd(exponent + 1, '0')
  const rest = whole.slice(exponent + 1)
  return `${sign}${whole.slice(0, exponent + 1)}${rest === '' ? '' : `.${rest}`}`
}

/** The shortest decimal number that is the same 32-bit float. */
export function nearest32(value: number): number {
  const rounded = Math.fround(value)
  if (!Number.isFinite(rounded)) return rounded
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(rounded.toPrecision(digits))
    if (Math.fround(short) === rounded) return short
  }
  return Number(rounded.toPrecision(9))
}
