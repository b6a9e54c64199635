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
  /**
   * Variables of proxies for what runs and is built on that daemon: those of its address in `proxies`, else those of
   * `default`; each in capitals and in small letters.
   */
  proxies(host: string): Readonly<Record<string, string>>
}

/** Docker's keys of `proxies.*`, and the variables that they become. */
const proxyVariables = {
  httpProxy: 'HTTP_PROXY',
  httpsProxy: 'HTTPS_PROXY',
  noProxy: 'NO_PROXY',
  ftpProxy: 'FTP_PROXY',
  allProxy: 'ALL_PROXY',
}

/** Docker: a missing file is an empty one, and so, with a warning, is one that cannot be read. */
export function readConfig(directory: string, warn: (text: string) => void): Config {
  const path = `${directory}/config.json`
  let fields: Readonly<Record<string, unknown>> = {}
  try {
    const decoded: unknown = JSON.parse(readFileSync(path, 'utf8'))
    fields = objectOf(decoded)
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR'))
      warn(
        error instanceof SyntaxError
          ? `WARNING: Error parsing config file (${path}): ${messageOf(error)}`
          : `WARNING: Error loading config file: ${messageOf(error)}`,
      )
  }
  const text = (key: string) => (typeof fields[key] === 'string' ? fields[key] : '')
  const proxies = objectOf(fields['proxies'])
  return {
    directory,
    httpHeaders: Object.fromEntries(
      Object.entries(objectOf(fields['HttpHeaders'])).map(([key, value]) => [key, String(value)]),
    ),
    detachKeys: text('detachKeys'),
    format: text,
    proxies(host) {
      const told = objectOf(proxies[host] ?? proxies['default'])
      return Object.fromEntries(
        Object.entries(proxyVariables).flatMap(([key, name]) => {
          const value = told[key]
          if (typeof value !== 'string' || value === '') return []
          return [name, name.toLowerCase()].map((each) => [each, value])
        }),
      )
    },
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
