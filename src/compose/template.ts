/**
 * Variables in texts, as the Compose specification has them ("Interpolation"): `$A`, `${A}`, with defaults (`:-`, `-`),
 * demands (`:?`, `?`) and replacements (`:+`, `+`), nested to any sensible depth; `$$` is a dollar.
 */

/** Undefined for a variable that is not set. */
export type Lookup = (name: string) => string | undefined

/** `format`: a text that is no template. `required`: a variable that its text demands. */
export class TemplateError extends Error {
  readonly problem: 'format' | 'required'
  constructor(problem: 'format' | 'required', message: string) {
    super(message)
    this.problem = problem
  }
}

function required(name: string, why: string): TemplateError {
  return new TemplateError(
    'required',
    `required variable ${name} is missing a value${why === '' ? '' : `: ${why}`}`,
  )
}

export interface Variable {
  readonly name: string
  readonly modifier: '' | ':-' | '-' | ':?' | '?' | ':+' | '+'
  /** What stands after the modifier, as written. */
  readonly word: string
}

type Part = string | Variable

const maxDepth = 30

/** `missing` hears of each variable that is not set and has no default. */
export function substitute(text: string, lookup: Lookup, missing: (name: string) => void): string {
  return replace(text, lookup, missing, 0)
}

/** All variables of a text, those inside defaults too; what is no template is passed over. */
export function variablesOf(text: string): Variable[] {
  return Array.from(text.matchAll(/\$(?:\$|\{|[_a-zA-Z])/g)).flatMap(({ 0: begin, index }) =>
    begin === '$$' ? [] : firstOf(text.slice(index)),
  )
}

/** The variable that a text begins with. */
function firstOf(text: string): readonly Variable[] {
  try {
    const end = text[1] === '{' ? closingBrace(text, 2) + 1 : undefined
    return partsOf(end === undefined ? text.replace(/^(\$\w+).*$/s, '$1') : text.slice(0, end)).filter(
      (part) => typeof part !== 'string',
    )
  } catch (error) {
    if (error instanceof TemplateError) return []
    throw error
  }
}

function replace(text: string, lookup: Lookup, missing: (name: string) => void, depth: number): string {
  if (!text.includes('$')) return text
  if (depth > maxDepth) throw new TemplateError('format', `more than ${maxDepth} nested variables`)
  const word = (variable: Variable) => replace(variable.word, lookup, missing, depth + 1)
  return partsOf(text)
    .map((part) => (typeof part === 'string' ? part : valueOf(part, lookup(part.name), word, missing)))
    .join('')
}

function valueOf(
  variable: Variable,
  value: string | undefined,
  word: (variable: Variable) => string,
  missing: (name: string) => void,
): string {
  switch (variable.modifier) {
    case ':-':
      return value === undefined || value === '' ? word(variable) : value
    case '-':
      return value ?? word(variable)
    case ':+':
      return value === undefined || value === '' ? '' : word(variable)
    case '+':
      return value === undefined ? '' : word(variable)
    case ':?':
    case '?':
      if (value === undefined || (value === '' && variable.modifier === ':?'))
        throw required(variable.name, word(variable))
      return value
    case '':
      if (value === undefined) missing(variable.name)
      return value ?? ''
  }
}

/** Texts and variables in order; `$$` is a dollar already. */
function partsOf(text: string): Part[] {
  const parts: Part[] = []
  let at = 0
  for (let dollar = text.indexOf('$'); dollar >= 0; dollar = text.indexOf('$', at)) {
    parts.push(text.slice(at, dollar))
    const next = text[dollar + 1]
    if (next === '$') {
      parts.push('$')
      at = dollar + 2
    } else if (next === '{') {
      const end = closingBrace(text, dollar + 2)
      parts.push(braced(text, text.slice(dollar + 2, end)))
      at = end + 1
    } else {
      const name = /^[_a-zA-Z][_a-zA-Z0-9]*/.exec(text.slice(dollar + 1))?.[0]
      // Docker: a dollar before anything else is one.
      parts.push(name === undefined ? '$' : { name, modifier: '', word: '' })
      at = dollar + 1 + (name?.length ?? 0)
    }
  }
  parts.push(text.slice(at))
  return parts
}

function closingBrace(text: string, start: number): number {
  let depth = 1
  for (let at = start; at < text.length; at++) {
    if (text.startsWith('${', at)) {
      depth++
      at++
    } else if (text[at] === '}' && --depth === 0) return at
  }
  throw invalid(text)
}

function braced(text: string, inside: string): Variable {
  const match = /^([_a-zA-Z][_a-zA-Z0-9]*)(?:(:?[-?+])(.*))?$/s.exec(inside)
  if (!match) throw invalid(text)
  const [, name = '', modifier = '', word = ''] = match
  return { name, modifier: modifier as Variable['modifier'], word } // the expression has these alone
}

function invalid(text: string): TemplateError {
  return new TemplateError('format', `${JSON.stringify(text)}: you may need to escape any $ with another $`)
}
