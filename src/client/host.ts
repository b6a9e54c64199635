import { EngineError } from '../lib/errors.ts'

/** Where a daemon listens. */
export type Host =
  | { readonly kind: 'unix'; readonly text: string; readonly path: string }
  | { readonly kind: 'tcp'; readonly text: string; readonly hostname: string; readonly port: number }

export const defaultHost = 'unix:///run/gantry/gantry.sock'

/** Decodes `unix:///path`, `tcp://host:port`, `http(s)://host:port` or `host:port`. Throws kind `invalid`. */
export function parseHost(text: string): Host {
  const bad = (why: string) => new EngineError('invalid', `unable to parse docker host \`${text}\`${why}`)
  const separator = text.indexOf('://')
  const scheme = separator < 0 ? 'tcp' : text.slice(0, separator)
  const rest = separator < 0 ? text : text.slice(separator + 3)
  if (scheme === 'unix') {
    if (rest === '') throw bad(': a unix host needs a path')
    return { kind: 'unix', text, path: rest }
  }
  if (scheme === 'ssh')
    throw new EngineError('unsupported', `hosts of the kind ssh:// are not supported yet: ${text}`)
  if (scheme !== 'tcp' && scheme !== 'http' && scheme !== 'https') throw bad('')
  let url: URL
  try {
    url = new URL(`http://${rest}`)
  } catch {
    throw bad('')
  }
  return {
    kind: 'tcp',
    text,
    hostname: url.hostname.replace(/^\[|\]$/g, '') || 'localhost',
    port: Number(url.port || (scheme === 'https' ? 2376 : 2375)),
  }
}
