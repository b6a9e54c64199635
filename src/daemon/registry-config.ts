import { isAbsolute, join } from 'node:path'
import { EngineError } from '../lib/errors.ts'
import type { LogLevel } from '../lib/log.ts'
import type { Proxies } from '../registry/index.ts'
import type { RegistrySettings } from './registry-settings.ts'

export interface Address {
  /** Empty: every address of the host. */
  readonly host: string
  readonly port: number
}

export type StorageConfig =
  | { readonly kind: 'files'; readonly root: string }
  | {
      readonly kind: 's3'
      readonly location: string
      readonly endpoint: string | undefined
      readonly region: string | undefined
      readonly pathStyle: boolean | undefined
      /** Else the environment has the credentials. */
      readonly credentials: { readonly path: string; readonly profile: string } | undefined
    }

/** Who may use the registry. */
export type LoginConfig =
  | { readonly kind: 'open' }
  | { readonly kind: 'basic'; readonly htpasswd: string; readonly rights: string | undefined }
  | {
      readonly kind: 'token-endpoint'
      readonly htpasswd: string
      readonly rights: string | undefined
      /** As seen from outside; undefined: at the host that the client asked. */
      readonly realm: string | undefined
      readonly keyFile: string
      /** Seconds. */
      readonly lifetime: number
      readonly service: string
      readonly issuer: string
    }
  | {
      readonly kind: 'token-server'
      readonly keys: string
      readonly realm: string
      readonly service: string
      readonly issuer: string
    }

export interface RegistryTls {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | undefined
}

/** All that a registry server needs to know, checked. Times are milliseconds. */
export interface RegistryConfig {
  readonly listen: Address
  readonly metricsListen: Address | undefined
  readonly storage: StorageConfig
  /** Directory for what is not in the storage itself: uploads under way, the key of tokens. */
  readonly state: string
  readonly tls: RegistryTls | undefined
  readonly login: LoginConfig
  readonly readOnly: boolean
  readonly maxBlobSize: number
  readonly maxConnections: number
  readonly clientTimeout: number
  readonly uploadTimeout: number
  /** 0: never. */
  readonly gcInterval: number
  readonly gcGrace: number
  readonly gcDryRun: boolean
  readonly retention: string | undefined
  readonly upstream: string | undefined
  /** On the way to upstreams. */
  readonly proxies: Proxies
  readonly logLevel: LogLevel
}

const minute = 60_000
const hour = 60 * minute

/** Fills in the defaults, and checks everything that can be checked without opening a file. Throws kind `invalid`. */
export function resolveRegistry(
  s: RegistrySettings,
  defaults: { storage: string; proxies: Proxies },
): RegistryConfig {
  const storage = storageOf(s, defaults.storage)
  const state = stateOf(s, storage)
  return {
    listen: addressOf('listen', s.listen ?? '127.0.0.1:5000'),
    metricsListen: s['metrics-listen'] ? addressOf('metrics-listen', s['metrics-listen']) : undefined,
    storage,
    state,
    tls: tlsOf(s),
    login: loginOf(s, join(state, 'token-key.pem')),
    readOnly: s['read-only'] ?? false,
    maxBlobSize: atLeast(s, 'max-blob-size', 1, Number.MAX_SAFE_INTEGER),
    maxConnections: atLeast(s, 'max-connections', 1, 1024),
    clientTimeout: atLeast(s, 'client-timeout', 1000, minute),
    uploadTimeout: atLeast(s, 'upload-timeout', minute, 24 * hour),
    gcInterval: s['gc-interval'] === 0 ? 0 : atLeast(s, 'gc-interval', 1000, hour),
    gcGrace: atLeast(s, 'gc-grace', 1000, hour),
    gcDryRun: s['gc-dry-run'] ?? false,
    retention: fileOf('retention', s.retention),
    upstream: fileOf('upstream', s.upstream),
    proxies: defaults.proxies,
    logLevel: s['log-level'] ?? 'info',
  }
}

function invalid(message: string): EngineError {
  return new EngineError('invalid', message)
}

function addressOf(name: string, text: string): Address {
  const [, host = '', port = ''] = /^(\[[\da-fA-F:.]+\]|[\w.-]*):(\d{1,5})$/.exec(text) ?? []
  if (port === '' || Number(port) > 65_535)
    throw invalid(`${name} ${JSON.stringify(text)}: want ADDRESS:PORT or :PORT`)
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

/** For messages and URLs. */
export function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function fileOf(name: string, path: string | undefined): string | undefined {
  if (path !== undefined && !isAbsolute(path))
    throw invalid(`${name} ${JSON.stringify(path)}: want an absolute path`)
  return path
}

function storageOf(s: RegistrySettings, initial: string): StorageConfig {
  const location = s.storage ?? initial
  const credentials = fileOf('s3-credentials', s['s3-credentials'])
  if (location.startsWith('s3://')) {
    if (s['s3-profile'] !== undefined && credentials === undefined)
      throw invalid('s3-profile is of a file: it needs s3-credentials')
    return {
      kind: 's3',
      location,
      endpoint: s['s3-endpoint'],
      region: s['s3-region'],
      pathStyle: s['s3-path-style'],
      credentials:
        credentials === undefined ? undefined : { path: credentials, profile: s['s3-profile'] ?? 'default' },
    }
  }
  const stray = Object.keys(s).find((key) => key.startsWith('s3-'))
  if (stray !== undefined) throw invalid(`${stray} is set, but storage is not s3://BUCKET`)
  if (!isAbsolute(location))
    throw invalid(`storage ${JSON.stringify(location)}: want an absolute path or s3://BUCKET[/PREFIX]`)
  return { kind: 'files', root: location }
}

function stateOf(s: RegistrySettings, storage: StorageConfig): string {
  const state = fileOf('state', s.state)
  if (storage.kind === 's3') {
    if (state === undefined) throw invalid('storage in S3 needs state: a directory for uploads under way')
    return state
  }
  // Uploads become blobs by a rename within one file system.
  if (state !== undefined) throw invalid('state is for storage in S3: a directory keeps it within itself')
  return storage.root
}

function tlsOf(s: RegistrySettings): RegistryTls | undefined {
  const [cert, key] = [fileOf('tls-cert', s['tls-cert']), fileOf('tls-key', s['tls-key'])]
  const clientCa = fileOf('tls-client-ca', s['tls-client-ca'])
  if (cert === undefined && key === undefined) {
    if (clientCa !== undefined) throw invalid('tls-client-ca needs tls-cert and tls-key')
    return undefined
  }
  if (cert === undefined || key === undefined) throw invalid('TLS needs both tls-cert and tls-key')
  return { cert, key, clientCa }
}

function loginOf(s: RegistrySettings, keyFile: string): LoginConfig {
  const htpasswd = fileOf('htpasswd', s.htpasswd)
  const rights = fileOf('rights', s.rights)
  const keys = fileOf('token-keys', s['token-keys'])
  const names = {
    service: nameOf('token-service', s['token-service'] ?? 'gantry-registry'),
    issuer: nameOf('token-issuer', s['token-issuer'] ?? 'gantry'),
  }
  const realm = s['token-realm'] === undefined ? undefined : urlOf('token-realm', s['token-realm'])
  if (keys !== undefined) {
    const stray = (['htpasswd', 'rights', 'token-endpoint', 'token-lifetime'] as const).find(
      (name) => s[name] !== undefined && s[name] !== false,
    )
    if (stray !== undefined) throw invalid(`${stray} and token-keys: the other server decides about logins`)
    if (realm === undefined)
      throw invalid('token-keys needs token-realm: the URL where clients get their tokens')
    if (s['token-issuer'] === undefined)
      throw invalid('token-keys needs token-issuer: what the other server calls itself in its tokens')
    return { kind: 'token-server', keys, realm, ...names }
  }
  if (s['token-endpoint'] === true) {
    if (htpasswd === undefined)
      throw invalid('token-endpoint needs htpasswd: it hands out tokens to its users')
    const lifetime = Math.round(atLeast(s, 'token-lifetime', minute, 5 * minute) / 1000)
    return { kind: 'token-endpoint', htpasswd, rights, realm, keyFile, lifetime, ...names }
  }
  const stray = Object.keys(s).find((key) => key.startsWith('token-') && key !== 'token-endpoint')
  if (stray !== undefined) throw invalid(`${stray} is set, but neither token-endpoint nor token-keys is`)
  if (htpasswd !== undefined) return { kind: 'basic', htpasswd, rights }
  if (rights !== undefined) throw invalid('rights needs htpasswd: without logins nobody has a name')
  return { kind: 'open' }
}

/** They stand in headers, between quotes. */
function nameOf(key: string, text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text) || /["\\]/.test(text))
    throw invalid(`${key} ${JSON.stringify(text)}: want visible ASCII characters without quotes`)
  return text
}

function urlOf(key: string, text: string): string {
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '')
    throw invalid(`${key}: want an http:// or https:// URL without a password`)
  return url.href
}

type Numbers =
  | 'token-lifetime'
  | 'max-blob-size'
  | 'max-connections'
  | 'client-timeout'
  | 'upload-timeout'
  | 'gc-interval'
  | 'gc-grace'

function atLeast(s: RegistrySettings, key: Numbers, least: number, initial: number): number {
  const value = s[key] ?? initial
  if (value < least)
    throw invalid(
      key.startsWith('max-')
        ? `${key} ${value}: want ${least} or more`
        : `${key}: want ${least / 1000}s or more`,
    )
  return value
}
