import type { Platform } from '../wire/registry.ts'
import { ExitError } from './command.ts'

/** `linux/arm64`, `linux/arm/v7` or an architecture alone, as `--platform` takes it; undefined for none. */
export function readPlatform(text: string): Platform | undefined {
  if (text === '') return undefined
  const parts = text.toLowerCase().split('/')
  if (parts.length > 3 || parts.some((part) => !/^\w[\w.-]*$/.test(part)))
    throw new ExitError(1, `invalid platform: ${JSON.stringify(text)}: want os/architecture[/variant]`)
  const [first = '', architecture, variant] = parts
  if (architecture === undefined) return { os: 'linux', architecture: first }
  return { os: first, architecture, ...(variant !== undefined && { variant }) }
}
