import { EngineError } from '../lib/errors.ts'

/** Where a daemon listens. */
export type Host =
  | { readonly kind: 'unix'; readonly text: string; readonly path: string }
  | { readonly kind: 'tcp'; readonly text: string; readonly hostname: string; readonly port: number }
  | SshHost

/** A daemon on a host that is reached by ssh; `path` is its socket there, where it is not the usual one. */
export interface SshHost {
  readonly kind: 'ssh'
  readonly text: string
  readonly hostname: string
  readonly user?: string
  readonly port?: number
  readonly path?: string
}

export const defaultHost = 'unix:///run/gantry/gantry.sock'

/** Decodes `unix:///path`, `tcp://host:port`, `http(s)://host:port`, `ssh://[user@]host[:port]` or `host:port`. Throws kind `invalid`. */
export function parseHost(text: string): Host {
  const bad = (why: string) => new EngineError('invalid', `unable to parse docker host \`${text}\`${why}`)
  const separator = text.indexOf('://')
  const scheme = separator < 0 ? 'tcp' : text.slice(0, separator)
  const rest = separator < 0 ? text : text.slice(separator + 3)
  if (scheme === 'unix') {
    if (rest === '') throw bad(': a unix host needs a path')
    return { kind: 'unix', text, path: rest }
  }
  if (scheme === 'ssh') return parseSsh(text, bad)
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

function parseSsh(text: string, bad: (why: string) => EngineError): SshHost {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw bad('')
  }
  const user = decodeURIComponent(url.username)
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  if (url.password !== '') throw bad(': passwords have no place in it: ssh asks, or takes a key')
  if (!/^[\w][\w.:-]*$/.test(hostname)) throw bad(': it names no host')
  if (user !== '' && !/^[\w][\w.@-]*$/.test(user)) throw bad(': that is no user name')
  if (url.search !== '' || url.hash !== '' || !/^[\w./-]*$/.test(url.pathname))
    throw bad(': its path must be that of a socket')
  return {
    kind: 'ssh',
    text,
    hostname,
    ...(user !== '' && { user }),
    ...(url.port !== '' && { port: Number(url.port) }),
    ...(url.pathname.length > 1 && { path: url.pathname }),
  }
}
