import { hasCode } from '../lib/errors.ts'

const { readFileSync } = process.getBuiltinModule('node:fs')

/**
 * `KEY=value` lines of files, then those given: `KEY` alone takes the caller's value, or is dropped when there is none
 * (`environment`), or is kept as it is (labels).
 */
export function readPairs(
  files: readonly string[],
  given: readonly string[],
  environment?: Readonly<Record<string, string | undefined>>,
): string[] {
  const lines = files.flatMap((file) => readFile(file))
  return [...lines, ...given].flatMap((line) => {
    if (line.includes('=') || !environment) return [line]
    const value = environment[line]
    return value === undefined ? [] : [`${line}=${value}`]
  })
}

/** Pairs of the variables of which the given pairs and names say nothing. */
export function unsaid(
  variables: Readonly<Record<string, string>>,
  given: readonly string[],
): readonly string[] {
  const said = new Set(given.map((text) => text.split('=', 1)[0]))
  return Object.entries(variables).flatMap(([name, value]) => (said.has(name) ? [] : [`${name}=${value}`]))
}

/** `K=V` texts as an object; the last one of a key wins. */
export function toMap(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((text) => {
      const equals = text.indexOf('=')
      return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
    }),
  )
}

function readFile(path: string): string[] {
  let text
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new Error(`open ${path}: no such file or directory`, { cause: error })
    throw error
  }
  const out: string[] = []
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = raw.replace(/\r$/, '').trimStart()
    if (line === '' || line.startsWith('#')) continue
    const equals = line.indexOf('=')
    const key = equals < 0 ? line.trim() : line.slice(0, equals)
    if (key === '') throw new Error(`invalid env file (${path}): no variable name on line '${line}'`)
    if (/\s/.test(key))
      throw new Error(`invalid env file (${path}), line ${index + 1}: variable '${key}' contains whitespaces`)
    out.push(equals < 0 ? key : line)
  }
  return out
}
