import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { EngineError } from '../lib/errors.ts'
import { Template } from '../lib/go-template.ts'
import { shortId } from '../lib/id.ts'
import {
  checkLogConfig,
  isReadable,
  journalSocket,
  limitsOf,
  pattern,
  syslogOf,
  type LogConfigOptions,
  type LogCopy,
  type LogDriver,
  type LogSetup,
} from '../runtime/index.ts'
import type { HostConfig } from '../wire/container.ts'
import type { Container } from './container.ts'
import type { ContainerDefaults } from './host.ts'

type LogConfig = { Type: string; Config: Record<string, string> }

/** Docker: the daemon's options count where the driver is the daemon's, too. Throws kind `invalid` for what is none. */
export function fillLogConfig(
  given: HostConfig['LogConfig'],
  defaults: Pick<ContainerDefaults, 'logDriver' | 'logOptions'>,
): LogConfig {
  const Type = given?.Type || defaults.logDriver
  const Config = { ...(Type === defaults.logDriver && defaults.logOptions), ...given?.Config }
  checkLogConfig(Type, Config)
  // A template that cannot be filled in is told now, not at each start.
  if (Config['tag']) fillTag(Config['tag'], { id: '', name: '', imageId: '', image: '', command: '' })
  if (Type === 'journald' && !existsSync(journalSocket))
    throw new EngineError('invalid', 'journald is not enabled on this host')
  return { Type, Config }
}

function logConfigOf(c: Container): { driver: LogDriver; options: LogConfigOptions } {
  // Checked when the container was made.
  return { driver: c.hostConfig.LogConfig?.Type as LogDriver, options: c.hostConfig.LogConfig?.Config ?? {} }
}

/** Docker's file with a line of JSON for each line, where the driver writes one; conmon's, where the driver is a file; else none. */
export function shownLogPath(c: Container): string {
  const { driver } = logConfigOf(c)
  if (driver === 'json-file') return jsonLogPath(c)
  return driver === 'local' || driver === 'k8s-file' ? c.logPath : ''
}

const jsonLogPath = (c: Container): string => join(c.directory, `${c.id}-json.log`)

/** Throws kind `unsupported`, in docker's words, for a container whose driver keeps nothing to read. */
export function assertReadable(c: Container): void {
  const { driver, options } = logConfigOf(c)
  if (!isReadable(driver, options))
    throw new EngineError('unsupported', 'configured logging driver does not support reading')
}

/** What the runtime does with the container's output from its start on. */
export function logSetup(c: Container): LogSetup {
  const { driver, options } = logConfigOf(c)
  const limits = limitsOf(driver, options)
  const copy = copyOf(c, driver, options)
  return { path: c.logPath, ...limits, ...(copy && { copy }) }
}

function copyOf(c: Container, driver: LogDriver, options: LogConfigOptions): LogCopy | undefined {
  switch (driver) {
    case 'json-file': {
      const { maxSize, maxFiles } = limitsOf(driver, options)
      return {
        kind: 'json-file',
        path: jsonLogPath(c),
        maxSize,
        maxFiles,
        attributes: attributesOf(c, options),
      }
    }
    case 'syslog': {
      const tag = tagOf(c, options['tag'] || '{{.ID}}')
      return { kind: 'syslog', ...syslogOf(options, { tag, hostname: hostname() }) }
    }
    case 'journald':
      return { kind: 'journald', fields: journalFields(c, options) }
    case 'local':
    case 'k8s-file':
    case 'none':
      return undefined
  }
}

/** Docker's `--details`: `key=value,…` of what the options choose, escaped as in a URL. */
export function logDetails(c: Container): string {
  const escape = (text: string) => encodeURIComponent(text).replaceAll('%20', '+')
  return Object.entries(attributesOf(c, logConfigOf(c).options))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${escape(key)}=${escape(value)}`)
    .join(',')
}

function attributesOf(c: Container, options: LogConfigOptions): Record<string, string> {
  const tag = options['tag']
  return { ...chosen(c, options), ...(tag && { tag: tagOf(c, tag) }) }
}

/** Labels and variables of the container that the options `labels`, `labels-regex`, `env` and `env-regex` name. */
function chosen(c: Container, options: LogConfigOptions): Record<string, string> {
  const pick = (values: Record<string, string>, key: 'labels' | 'env'): [string, string][] => {
    const names = (options[key] ?? '').split(',')
    const regex = pattern(options[`${key}-regex`] ?? '', `${key}-regex`)
    return Object.entries(values).filter(([name]) => names.includes(name) || regex?.test(name))
  }
  const env = (c.config.Env ?? []).map((entry) => {
    const equals = entry.indexOf('=')
    return [
      entry.slice(0, equals < 0 ? undefined : equals),
      equals < 0 ? '' : entry.slice(equals + 1),
    ] as const
  })
  return Object.fromEntries([
    ...pick(c.config.Labels ?? {}, 'labels'),
    ...pick(Object.fromEntries(env), 'env'),
  ])
}

function tagOf(c: Container, template: string): string {
  const { id, name, imageId } = c
  return fillTag(template, { id, name, imageId, image: c.config.Image, command: c.command.join(' ') })
}

/** Docker's fields of the tag template. */
function fillTag(
  template: string,
  c: { id: string; name: string; imageId: string; image: string; command: string },
): string {
  return Template.parse(template).execute(
    {
      ID: shortId(c.id),
      FullID: c.id,
      Name: c.name,
      ImageID: c.imageId.slice(c.imageId.indexOf(':') + 1, c.imageId.indexOf(':') + 13),
      ImageFullID: c.imageId,
      ImageName: c.image,
      DaemonName: 'gantry',
      Hostname: hostname(),
      Command: c.command,
    },
    { typeName: '*logger.Info' },
  )
}

/** Docker's fields of a journal entry; names of labels and variables become field names. */
function journalFields(c: Container, options: LogConfigOptions): Record<string, string> {
  const tag = tagOf(c, options['tag'] || '{{.ID}}')
  const fieldName = (name: string) =>
    name
      .toUpperCase()
      .replaceAll(/[^A-Z0-9]/g, '_')
      .replace(/^_+/, '')
  const extra = Object.entries(chosen(c, options)).map(([name, value]) => [fieldName(name), value] as const)
  return {
    ...Object.fromEntries(extra.filter(([name]) => name !== '')),
    CONTAINER_ID: shortId(c.id),
    CONTAINER_ID_FULL: c.id,
    CONTAINER_NAME: c.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: c.config.Image,
    SYSLOG_IDENTIFIER: tag,
  }
}
