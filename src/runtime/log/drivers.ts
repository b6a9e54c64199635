import { isAbsolute } from 'node:path'
import { EngineError } from '../../lib/errors.ts'
import { parseBool } from '../../lib/parse-bool.ts'
import { parseBinarySize, parseDecimalSize } from '../../lib/units.ts'
import { defaultMaxFiles, defaultMaxSize, type SyslogFormat, type SyslogTarget } from './setup.ts'

/** Docker's names. `k8s-file` is Podman's for the same format as `local`: conmon's. */
export const logDrivers = ['journald', 'json-file', 'k8s-file', 'local', 'none', 'syslog'] as const
export type LogDriver = (typeof logDrivers)[number]

export type LogConfigOptions = Readonly<Record<string, string>>

const attributeOptions = ['env', 'env-regex', 'labels', 'labels-regex', 'tag']
const fileOptions = ['max-file', 'max-size', 'compress']
const cacheOptions = ['cache-disabled', 'cache-max-file', 'cache-max-size', 'cache-compress']
const optionsOf: Readonly<Record<LogDriver, readonly string[]>> = {
  'json-file': [...attributeOptions, ...fileOptions],
  'k8s-file': [...attributeOptions, ...fileOptions],
  local: [...attributeOptions, ...fileOptions],
  none: [],
  journald: [...attributeOptions, ...cacheOptions],
  syslog: [
    ...attributeOptions,
    ...cacheOptions,
    'syslog-address',
    'syslog-facility',
    'syslog-format',
    'syslog-tls-ca-cert',
    'syslog-tls-cert',
    'syslog-tls-key',
    'syslog-tls-skip-verify',
  ],
}
/** What is written goes to a file first: no container ever waits for a driver, and no line is dropped for want of memory. */
const deliveryOptions = ['mode', 'max-buffer-size']

const invalid = (message: string) => new EngineError('invalid', message)

function isLogDriver(name: string): name is LogDriver {
  return (logDrivers as readonly string[]).includes(name)
}

/** Throws kind `invalid`, in docker's words where it has some, for a driver or an option that is not there. */
export function checkLogConfig(driver: string, options: LogConfigOptions): void {
  if (!isLogDriver(driver))
    throw invalid(
      `error looking up logging plugin ${driver}: plugin ${JSON.stringify(driver)} not found (log drivers: ${logDrivers.join(', ')})`,
    )
  for (const key of Object.keys(options))
    if (!optionsOf[driver].includes(key) && !deliveryOptions.includes(key))
      throw invalid(`unknown log opt '${key}' for ${driver} log driver`)
  checkDelivery(options)
  for (const key of ['compress', 'cache-compress'])
    if (flag(options, key))
      throw new EngineError(
        'unsupported',
        `log opt ${key}=true is not supported: rotated logs stay as they are`,
      )
  for (const key of ['labels-regex', 'env-regex'] as const) pattern(options[key] ?? '', key)
  limitsOf(driver, options)
  if (driver === 'syslog') syslogOf(options, { tag: '', hostname: '' })
}

function checkDelivery(options: LogConfigOptions): void {
  const mode = options['mode'] ?? 'blocking'
  if (mode !== 'blocking' && mode !== 'non-blocking')
    throw invalid(`logger: logging mode not supported: ${mode}`)
  const buffer = options['max-buffer-size']
  if (buffer === undefined) return
  if (mode !== 'non-blocking')
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
  parseBinarySize(buffer)
}

function flag(options: LogConfigOptions, key: string): boolean {
  const text = options[key] ?? 'false'
  const value = parseBool(text)
  if (value === undefined) throw invalid(`log opt ${key}: ${JSON.stringify(text)} is neither true nor false`)
  return value
}

/** Go's regular expressions, as far as they are JavaScript's. */
export function pattern(text: string, key: string): RegExp | undefined {
  if (text === '') return undefined
  // Somebody else's pattern over somebody else's names: both short.
  if (text.length > 256) throw invalid(`log opt ${key}: longer than 256 characters`)
  // Go's take linear time whatever they are; ours could keep the daemon busy for ever.
  if (/\)[*+?{]/.test(text))
    throw new EngineError(
      'unsupported',
      `log opt ${key}: repeated groups are not supported: ${JSON.stringify(text)}`,
    )
  try {
    return new RegExp(text, 'u')
  } catch (cause) {
    throw new EngineError('invalid', `log opt ${key}: ${JSON.stringify(text)} is no regular expression`, {
      cause,
    })
  }
}

/** How much is kept: for drivers that keep nothing themselves, of the cache that `logs` reads. */
export function limitsOf(
  driver: LogDriver,
  options: LogConfigOptions,
): { maxSize: number; maxFiles: number; discard: boolean } {
  const remote = driver === 'syslog' || driver === 'journald'
  const [sizeKey, filesKey] = remote ? ['cache-max-size', 'cache-max-file'] : ['max-size', 'max-file']
  const sizeText = options[sizeKey]
  const filesText = options[filesKey]
  // Docker: powers of 1000 for json-file, of 1024 for the others.
  const parse = driver === 'json-file' ? parseDecimalSize : parseBinarySize
  const unlimited = sizeText === '-1'
  const maxSize =
    sizeText === undefined ? defaultMaxSize : unlimited ? Number.MAX_SAFE_INTEGER : parse(sizeText)
  if (maxSize <= 0)
    throw invalid(`log opt ${sizeKey}: ${sizeText} is no size: want more than 0, or -1 for no limit`)
  const maxFiles = filesText === undefined ? defaultMaxFiles : Number(filesText)
  if (!Number.isInteger(maxFiles) || maxFiles < 1 || maxFiles > 1000)
    throw invalid(`log opt ${filesKey}: ${JSON.stringify(filesText)}: want 1 to 1000 files`)
  // Docker: the copies would be lost with a daemon that dies, so the cache of ours stays; it is only not readable.
  return { maxSize, maxFiles, discard: driver === 'none' }
}

/** Whether `logs` may read: not from `none`, and not where the cache is switched off. */
export function isReadable(driver: string, options: LogConfigOptions): boolean {
  return driver !== 'none' && !flag(options, 'cache-disabled')
}

const facilities = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
]

function facilityOf(text: string): number {
  const named = facilities.indexOf(text)
  if (named >= 0) return named
  const local = /^local([0-7])$/.exec(text)
  if (local) return 16 + Number(local[1])
  if (/^\d+$/.test(text) && Number(text) <= 23) return Number(text)
  throw invalid(`invalid syslog facility: ${JSON.stringify(text)}`)
}

/** The options of the syslog driver. Throws kind `invalid`. */
export function syslogOf(
  options: LogConfigOptions,
  o: { tag: string; hostname: string },
): { target: SyslogTarget; format: SyslogFormat } {
  const target = syslogTarget(options)
  const text = options['syslog-format'] ?? ''
  if (!['', 'rfc3164', 'rfc5424', 'rfc5424micro'].includes(text))
    throw invalid(`Invalid syslog format: ${JSON.stringify(text)}`)
  const style = text === '' ? 'unix' : (text as SyslogFormat['style'])
  return { target, format: { ...o, style, facility: facilityOf(options['syslog-facility'] ?? 'daemon') } }
}

function syslogTarget(options: LogConfigOptions): SyslogTarget {
  const address = options['syslog-address']
  if (address === undefined || address === '') return { protocol: 'unixgram', path: '/dev/log' }
  const [, protocol = '', rest = ''] = /^([a-z+]+):\/\/(.*)$/.exec(address) ?? []
  if (protocol === 'unix' || protocol === 'unixgram') {
    if (!isAbsolute(rest)) throw invalid(`syslog-address ${JSON.stringify(address)}: want an absolute path`)
    return { protocol, path: rest }
  }
  if (protocol !== 'udp' && protocol !== 'tcp' && protocol !== 'tcp+tls')
    throw invalid(
      `syslog-address should be in form proto://address, got ${JSON.stringify(address)}: proto is udp, tcp, tcp+tls, unix or unixgram`,
    )
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]+)\]|([^:/]+))(?::(\d{1,5}))?$/.exec(rest) ?? []
  const host = bracketed ?? plain
  if (host === '' || Number(port) > 65_535)
    throw invalid(`syslog-address ${JSON.stringify(address)}: want ${protocol}://host:port`)
  const place = { host, port: Number(port ?? (protocol === 'tcp+tls' ? 6514 : 514)) }
  if (protocol !== 'tcp+tls') return { protocol, ...place }
  const file = (key: string) => options[`syslog-tls-${key}`]
  const [ca, cert, key] = [file('ca-cert'), file('cert'), file('key')]
  return {
    protocol,
    ...place,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    // Docker: the option's presence counts.
    skipVerify: options['syslog-tls-skip-verify'] !== undefined,
  }
}
