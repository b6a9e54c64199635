import { EngineError } from './errors.ts'
import { cleanPath } from './ignore.ts'
import { parseBool } from './parse-bool.ts'

/** A git repository and what of it is wanted. */
export interface GitSource {
  /** As `git` takes it. May hold a password: shown only by `shownUrl`. */
  readonly remote: string
  readonly protocol: 'https' | 'http' | 'ssh' | 'git'
  /** Branch, tag, `refs/…` or a full commit; empty: the default branch. */
  readonly ref: string
  /** Relative and clean; `.` is all. */
  readonly subdir: string
  /** Full commit or its beginning. */
  readonly checksum?: string
  readonly keepGitDir?: boolean
  readonly submodules: boolean
}

const web = /^(https?):\/\//i
const schemes = /^(https?|ssh|git):\/\//i
/** `git@host:path`, as scp writes it. */
const scp = /^([a-zA-Z0-9_][\w.+-]*@)([\w.-]+):(?!\/\/)([^?#]+)(\?[^#]*)?(#.*)?$/

const queries: ReadonlySet<string> = new Set(
  'ref branch tag subdir checksum commit keep-git-dir submodules'.split(' '),
)

/** Whether a source is fetched in place of being read: by BuildKit's rules an http(s) URL is a repository when its path ends with `.git`. */
export function remoteKind(text: string): 'git' | 'http' | undefined {
  if (web.test(text)) {
    const url = parseUrl(text)
    return url?.pathname.endsWith('.git') ? 'git' : 'http'
  }
  if (/^(git|ssh):\/\//i.test(text) || scp.test(text)) return 'git'
  return undefined
}

/** Docker's command line knows one more for contexts: `github.com/user/repo`. */
export function contextKind(text: string): 'git' | 'http' | undefined {
  return text.startsWith('github.com/') ? 'git' : remoteKind(text)
}

/** `#ref:subdir` or, as newer BuildKit has it, a query. Throws kind `invalid`. */
export function parseGitSource(text: string): GitSource {
  const full = text.startsWith('github.com/') ? `https://${text}` : text
  const [, user, host, path, query = '', fragment = ''] = scp.exec(full) ?? []
  if (!schemes.test(full) && host !== undefined)
    return check(text, {
      remote: `${user}${host}:${path}`,
      protocol: 'ssh',
      ...wanted(text, query, fragment),
    })
  const url = parseUrl(full)
  const protocol = url?.protocol.slice(0, -1)
  if (!url || (protocol !== 'https' && protocol !== 'http' && protocol !== 'ssh' && protocol !== 'git'))
    throw invalid(text, 'no protocol that git repositories are fetched by')
  if (url.hostname === '') throw invalid(text, 'it names no host')
  const bare = new URL(url)
  bare.hash = ''
  bare.search = ''
  return check(text, { remote: bare.href, protocol, ...wanted(text, url.search, url.hash) })
}

/** An URL without password and query, for people: neither may be written anywhere. */
export function shownUrl(text: string): string {
  if (!schemes.test(text)) return text
  const url = parseUrl(text)
  if (!url) return 'an URL that cannot be read'
  if (url.password !== '') url.password = 'xxxxx'
  else if (web.test(text) && url.username !== '') url.username = 'xxxxx'
  const plain = remoteKind(text) === 'git' && [...url.searchParams.keys()].every((key) => queries.has(key))
  if (url.search !== '' && !plain) url.search = '?xxxxx'
  return url.href
}

function wanted(
  text: string,
  query: string,
  fragment: string,
): Pick<GitSource, 'ref' | 'subdir' | 'checksum' | 'keepGitDir' | 'submodules'> {
  const hash = decode(text, fragment.replace(/^#/, ''))
  const colon = hash.indexOf(':')
  let [ref, subdir] = colon < 0 ? [hash, ''] : [hash.slice(0, colon), hash.slice(colon + 1)]
  let checksum: string | undefined
  let keepGitDir: boolean | undefined
  let submodules = true
  const seen = new Set<string>()
  for (const [key, value] of new URLSearchParams(query)) {
    const kind = ['ref', 'branch', 'tag'].includes(key) ? 'ref' : key === 'commit' ? 'checksum' : key
    if (seen.has(kind)) throw invalid(text, `it has more than one ${JSON.stringify(kind)}`)
    seen.add(kind)
    switch (key) {
      case 'ref':
      case 'branch':
      case 'tag': {
        if (value === '') break
        const full = { ref: value, branch: `refs/heads/${value}`, tag: `refs/tags/${value}` }[key]
        if (ref !== '') throw invalid(text, 'its ref is given twice')
        ref = full
        break
      }
      case 'subdir':
        if (subdir !== '') throw invalid(text, 'its subdirectory is given twice')
        subdir = value
        break
      case 'checksum':
      case 'commit':
        checksum = value
        break
      case 'keep-git-dir':
        keepGitDir = flag(text, key, value)
        break
      case 'submodules':
        submodules = flag(text, key, value)
        break
      default:
        throw new EngineError(
          'invalid',
          `unexpected query ${JSON.stringify(key)} in ${JSON.stringify(shownUrl(text))}`,
        )
    }
  }
  return {
    ref,
    subdir: cleanPath(`/${subdir}`).slice(1) || '.',
    submodules,
    ...(checksum !== undefined && { checksum: checksum.toLowerCase() }),
    ...(keepGitDir !== undefined && { keepGitDir }),
  }
}

/** Nothing of it may look like an option to git or ssh, nor like a pattern of refs. */
function check(text: string, source: GitSource): GitSource {
  if (source.remote.startsWith('-') || /^[a-z]+:\/\/(?:[^/]*@)?-/i.test(source.remote))
    throw invalid(text, 'its host begins with a dash')
  if (/[\0-\x20\x7f]/.test(source.remote)) throw invalid(text, 'it has white space or control characters')
  if (!/^$|^(?!-)[^\0-\x20\x7f~^:?*[\\]+$/.test(source.ref) || source.ref.includes('..'))
    throw invalid(text, `${JSON.stringify(source.ref)} is no ref`)
  if (source.checksum !== undefined) checkCommit(source.checksum)
  return source
}

/** Throws kind `invalid` for what is no commit nor the beginning of one. */
export function checkCommit(checksum: string): void {
  if (!/^[0-9a-f]{7,64}$/i.test(checksum))
    throw new EngineError('invalid', `invalid checksum ${JSON.stringify(checksum)}: want a commit`)
}

function flag(text: string, key: string, value: string): boolean {
  const result = value === '' || parseBool(value)
  if (result === undefined) throw invalid(text, `${key}=${value} is neither true nor false`)
  return result
}

function decode(text: string, fragment: string): string {
  try {
    return decodeURIComponent(fragment)
  } catch {
    throw invalid(text, 'its fragment cannot be decoded')
  }
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

const invalid = (text: string, why: string) =>
  new EngineError('invalid', `invalid git URL ${JSON.stringify(shownUrl(text))}: ${why}`)
