import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import type { Config } from '../engine/index.ts'
import { EngineError } from '../lib/errors.ts'
import { defaultCertsDirs, plainSettings } from '../registry/index.ts'
import type { Settings } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What of the configuration is about registries. Proxies of the environment count where none is set. */
export function registriesOf(
  s: Settings,
  environment: Environment,
): Pick<Config, 'registries' | 'maxDownloads' | 'maxUploads'> {
  const proxy = (key: 'http-proxy' | 'https-proxy' | 'no-proxy', name: string) => {
    const set = s[key] ?? s.proxies?.[key]
    if (s[key] !== undefined && s.proxies?.[key] !== undefined)
      throw invalid(`${key} is set twice: by itself and in proxies`)
    return set ?? environment[name] ?? environment[name.toLowerCase()] ?? ''
  }
  const dir = s['certs-dir']
  if (dir !== undefined && !isAbsolute(dir))
    throw invalid(`certs-dir ${JSON.stringify(dir)}: want an absolute path`)
  return {
    registries: {
      mirrors: (s['registry-mirrors'] ?? []).map(checkMirror),
      insecure: (s['insecure-registries'] ?? []).map(checkInsecure),
      certsDirs: dir === undefined ? defaultCertsDirs : [dir],
      proxies: {
        http: checkProxy('http-proxy', proxy('http-proxy', 'HTTP_PROXY')),
        https: checkProxy('https-proxy', proxy('https-proxy', 'HTTPS_PROXY')),
        no: proxy('no-proxy', 'NO_PROXY'),
      },
      offline: s.offline ?? false,
      attempts: atLeastOne(s, 'max-download-attempts', plainSettings.attempts),
      pauseMs: plainSettings.pauseMs,
    },
    maxDownloads: atLeastOne(s, 'max-concurrent-downloads', 3),
    maxUploads: atLeastOne(s, 'max-concurrent-uploads', 5),
  }
}

type Counts = 'max-download-attempts' | 'max-concurrent-downloads' | 'max-concurrent-uploads'

function atLeastOne(s: Settings, key: Counts, initial: number): number {
  const value = s[key] ?? initial
  if (value < 1) throw invalid(`${key} ${value}: want 1 or more`)
  return value
}

/** Docker's rules for mirrors. */
function checkMirror(text: string): string {
  const url = parse(text)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw invalid(
      `invalid mirror: ${JSON.stringify(withoutUser(text))} is not a valid URI of the kind http:// or https://`,
    )
  if (url.username !== '' || url.password !== '')
    throw invalid(`invalid mirror: username/password not allowed in URI ${JSON.stringify(withoutUser(text))}`)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw invalid(`invalid mirror: path, query, or fragment at end of the URI ${JSON.stringify(text)}`)
  return url.origin
}

/** `host`, `host:port` or CIDR. */
function checkInsecure(text: string): string {
  const [address = '', bits] = text.split('/')
  if (bits !== undefined && isIP(address) !== 0 && /^\d{1,3}$/.test(bits)) return text
  if (/^[a-z]+:\/\//i.test(text)) throw invalid(`insecure registry ${text} should not contain '://'`)
  if (!/^(\[[\da-fA-F:]+\]|[\w.-]+)(:\d{1,5})?$/.test(text) || text.startsWith('-'))
    throw invalid(`insecure registry ${JSON.stringify(text)} is not valid: want host, host:port or CIDR`)
  return text
}

/** Its credentials, where it has some, are in no message. */
function checkProxy(key: string, text: string): string {
  if (text === '') return ''
  const url = parse(text.includes('://') ? text : `http://${text}`)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw invalid(`${key}: want the URL of an http:// or https:// proxy`)
  return text
}

function parse(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

const withoutUser = (text: string): string => text.replace(/\/\/[^/@]*@/, '//…@')

function invalid(message: string): EngineError {
  return new EngineError('invalid', message)
}
