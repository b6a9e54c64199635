import { parseBool } from '../../lib/parse-bool.ts'
import { isField, kindOf, type Target } from './bake-target.ts'
import { HclError } from './hcl-syntax.ts'

/** `--set PATTERN.KEY[.NAME][+]=VALUE` */
export interface Override {
  readonly pattern: string
  readonly key: string
  readonly name: string | undefined
  readonly value: string | undefined
  readonly append: boolean
}

/** `--set` has other names for some. */
const synonyms: Readonly<Record<string, string>> = {
  platform: 'platforms',
  secrets: 'secret',
  outputs: 'output',
}

export function parseOverride(text: string): Override {
  const match =
    /^([^.=]+)\.([^.=+]+)(?:\.([^=]*?))?(\+?=)(.*)$/s.exec(text) ?? /^([^.=]+)\.(args)\.([^=]+)$/.exec(text)
  if (!match) throw new HclError(`invalid override ${text}, expected target.name=value`)
  const [, pattern = '', key = '', name, sign, value] = match
  return { pattern, key: synonyms[key] ?? key, name, value, append: sign === '+=' }
}

/** The target as the command line wants it. Several values for one list are all of its values. */
export function applyOverrides(
  name: string,
  target: Target,
  o: { overrides: readonly Override[]; env: NodeJS.ProcessEnv },
): Target {
  const result: Record<string, unknown> = { ...target }
  const replaced = new Set<string>()
  for (const override of o.overrides) {
    if (!matches(override.pattern, name)) continue
    const { key } = override
    if (!isField(key)) throw new HclError(`unknown key: ${key}`)
    const value = override.value ?? (override.name === undefined ? undefined : o.env[override.name])
    switch (kindOf(key)) {
      case 'pairs':
        if (!override.name) throw new HclError(`invalid key ${override.key}, must be a map`)
        if (value !== undefined) result[key] = { ...(result[key] as object), [override.name]: value }
        break
      case 'text':
        result[key] = value ?? ''
        break
      case 'flag':
        result[key] = parseBool(value ?? '')
        if (result[key] === undefined) throw new HclError(`invalid value ${value} for boolean key ${key}`)
        break
      case 'texts': {
        const keep = override.append || replaced.has(key) ? ((result[key] as string[] | undefined) ?? []) : []
        result[key] = value === undefined || value === '' ? keep : [...keep, value]
        replaced.add(key)
      }
    }
  }
  return result
}

/** Go's path.Match, on names. */
function matches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[\\^$.|+(){}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  try {
    return new RegExp(`^${source}$`).test(name)
  } catch (cause) {
    throw new HclError(`invalid pattern ${pattern}`, { cause })
  }
}
