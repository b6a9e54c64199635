import { hasCode, messageOf } from '../lib/errors.ts'

const { readFileSync } = process.getBuiltinModule('node:fs')

/** What the command line reads of docker's `config.json`. */
export interface Config {
  /** Where it was read: `~/.docker`. */
  readonly directory: string
  readonly httpHeaders: Readonly<Record<string, string>>
  readonly detachKeys: string
  /** Default `--format` by command: `psFormat`, `imagesFormat`, … */
  format(key: string): string
}

/** Docker: a missing file is an empty one, and so, with a warning, is one that cannot be read. */
export function readConfig(directory: string, warn: (text: string) => void): Config {
  const path = `${directory}/config.json`
  let fields: Record<string, unknown> = {}
  try {
    const decoded: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof decoded === 'object' && decoded !== null) fields = decoded as Record<string, unknown>
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR'))
      warn(
        error instanceof SyntaxError
          ? `WARNING: Error parsing config file (${path}): ${messageOf(error)}`
          : `WARNING: Error loading config file: ${messageOf(error)}`,
      )
  }
  const text = (key: string) => (typeof fields[key] === 'string' ? fields[key] : '')
  const headers: unknown = fields['HttpHeaders']
  return {
    directory,
    httpHeaders:
      typeof headers === 'object' && headers !== null
        ? Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, String(value)]))
        : {},
    detachKeys: text('detachKeys'),
    format: text,
  }
}
