import { hasCode } from '../lib/errors.ts'

const { readFileSync } = process.getBuiltinModule('node:fs')

/** What the environment says, without a context. */
export const defaultName = 'default'

/** Beside docker's config.json, given by its directory. */
export const currentContextPath = (directory: string): string => `${directory}/gantry.json`

/** The name that `context use` has set; `default` where it has not. */
export function currentContext(directory: string): string {
  let text
  try {
    text = readFileSync(currentContextPath(directory), 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return defaultName
    throw error
  }
  const value: unknown = JSON.parse(text)
  const isObject = typeof value === 'object' && value !== null
  const name: unknown = isObject && 'currentContext' in value ? value.currentContext : undefined
  return typeof name === 'string' && name !== '' ? name : defaultName
}
