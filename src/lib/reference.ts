/**
 * Image references by the rules of Docker's distribution/reference: `busybox` means
 * `docker.io/library/busybox:latest`, and people are shown the short form again.
 */
import { EngineError } from './errors.ts'

/** A reference taken apart. Neither tag nor digest: the name alone was given. */
export interface Reference {
  /** Registry host with port, `docker.io` when none was written. */
  readonly domain: string
  /** Repository within the registry: `library/busybox`. */
  readonly path: string
  readonly tag?: string
  /** `sha256:…`, also of other algorithms that registries may know. */
  readonly digest?: string
}

const defaultDomain = 'docker.io'
const officialPrefix = 'library/'
const maxNameLength = 255

const domainComponent = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const domain = `(?:${domainComponent}(?:\\.${domainComponent})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}'
const pattern = new RegExp(
  `^(${domain})/(${component}(?:/${component})*)(?::([\\w][\\w.-]{0,127}))?(?:@(${digest}))?$`,
)
const hexLengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 }

/**
 * Decodes what a person typed. Throws kind `invalid` with docker's texts (`invalid reference format`, …).
 * A bare 64-digit hex string is refused: it is an image id.
 */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text))
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`)
  // Real references are far shorter; the bound keeps hostile text away from the regular expression.
  if (text === '' || text.length > 1024) throw invalid('invalid reference format')
  const { host, rest } = splitDomain(text)
  const colon = rest.indexOf(':')
  const repository = colon < 0 ? rest : rest.slice(0, colon)
  if (repository.toLowerCase() !== repository)
    throw invalid(`invalid reference format: repository name (${repository}) must be lowercase`)
  const match = pattern.exec(`${host}/${rest}`)
  const [, domainPart, path, tag, digestPart] = match ?? []
  if (domainPart === undefined || path === undefined) throw invalid('invalid reference format')
  if (path.length > maxNameLength)
    throw invalid(`repository name must not be more than ${maxNameLength} characters`)
  if (digestPart !== undefined) checkDigest(digestPart)
  return {
    domain: domainPart,
    path,
    ...(tag !== undefined && { tag }),
    ...(digestPart !== undefined && { digest: digestPart }),
  }
}

/** Adds the default tag `latest` where the name alone was given. */
export function withDefaultTag(ref: Reference): Reference {
  return ref.tag === undefined && ref.digest === undefined ? { ...ref, tag: 'latest' } : ref
}

/** `docker.io/library/busybox`: domain and path. */
export function repositoryOf(ref: Reference): string {
  return `${ref.domain}/${ref.path}`
}

/** The full form, `docker.io/library/busybox:latest`; the default tag is added, a digest kept. */
export function canonical(ref: Reference): string {
  return repositoryOf(ref) + suffix(withDefaultTag(ref))
}

/** The form that people read: `busybox:latest`, `busybox@sha256:…`. Nothing is added that was not there. */
export function familiar(ref: Reference): string {
  return familiarName(ref) + suffix(ref)
}

/** The familiar repository alone: `busybox`, `user/app`, `ghcr.io/user/app`. */
export function familiarName(ref: Reference): string {
  if (ref.domain !== defaultDomain) return repositoryOf(ref)
  const short = ref.path.startsWith(officialPrefix) ? ref.path.slice(officialPrefix.length) : ref.path
  // `library/a/b` must keep its prefix: `a/b` would be read back as another repository.
  return short.includes('/') ? ref.path : short
}

function suffix(ref: Reference): string {
  return (ref.tag === undefined ? '' : `:${ref.tag}`) + (ref.digest === undefined ? '' : `@${ref.digest}`)
}

/** Docker: the first component is a registry when it has a dot, a colon or upper case, or is `localhost`. */
function splitDomain(text: string): { host: string; rest: string } {
  const slash = text.indexOf('/')
  const first = slash < 0 ? '' : text.slice(0, slash)
  const isDomain =
    slash >= 0 && (first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first)
  let host = isDomain ? first : defaultDomain
  let rest = isDomain ? text.slice(slash + 1) : text
  if (host === 'index.docker.io') host = defaultDomain
  if (host === defaultDomain && !rest.includes('/')) rest = officialPrefix + rest
  return { host, rest }
}

function checkDigest(text: string): void {
  const colon = text.indexOf(':')
  const length = hexLengths[text.slice(0, colon)]
  if (length === undefined) throw invalid('unsupported digest algorithm')
  const hex = text.slice(colon + 1)
  if (hex.length !== length || hex.toLowerCase() !== hex) throw invalid('invalid checksum digest length')
}

function invalid(message: string): EngineError {
  return new EngineError('invalid', message)
}
