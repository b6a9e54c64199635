import { parseBool } from '../../lib/parse-bool.ts'

/** Whether a variable of the environment says yes; anything else is no. */
export function isTrueVariable(name: string): boolean {
  return parseBool(process.env[name] ?? '') ?? false
}
