import { closest } from '../lib/closest.ts'

/** Docker's sentence for keys of a configuration file that nobody knows, with what was probably meant; undefined for none. */
export function unknownKeys(keys: readonly string[], known: readonly string[]): string | undefined {
  const unknown = keys.filter((key) => !known.includes(key))
  if (unknown.length === 0) return undefined
  const named = unknown.map((key) => {
    const near = closest(key, known)
    return near ? `${key} (did you mean ${near}?)` : key
  })
  return `the following directives don't match any configuration option: ${named.join(', ')}`
}
