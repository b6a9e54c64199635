import { writeSync } from 'node:fs'
import { pino } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, unknown>>

/** Structured log: one line for one event, once, where the problem is handled. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  child(fields: LogFields): Logger
}

/** Where what is below `level` is not written; it may change, for children too. */
export interface LeveledLogger extends Logger {
  level: LogLevel
}

/** JSON lines, or dockerd's text, to the given file descriptor (2 = stderr). Errors are written with type, message, stack and causes. */
export function createLogger(options: {
  level: LogLevel
  fd?: number
  format?: 'json' | 'text'
}): LeveledLogger {
  const sink = pino(
    {
      level: 'debug',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    destination(options),
  )
  const gate = { level: options.level }
  // A child of pino's keeps the level that it was born with, hence one gate for all.
  return Object.defineProperty(wrap(sink, gate), 'level', {
    get: () => gate.level,
    set: (level: LogLevel) => {
      gate.level = level
    },
  }) as LeveledLogger
}

function destination({ fd = 2, format }: { fd?: number; format?: 'json' | 'text' }): pino.DestinationStream {
  if (format !== 'text') return pino.destination({ fd, sync: true })
  return { write: (line) => void writeSync(fd, textLine(JSON.parse(line) as Record<string, unknown>)) }
}

/** As logrus writes it: `time="…" level=info msg="…" key=value`. */
export function textLine({ time, level, msg, ...fields }: Record<string, unknown>): string {
  const value = (of: unknown) => {
    const error = typeof of === 'object' && of !== null && 'message' in of ? of.message : of
    const text = typeof error === 'string' ? error : JSON.stringify(error)
    return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text)
  }
  const rest = Object.entries(fields).map(([key, of]) => ` ${key}=${value(of)}`)
  return `time=${JSON.stringify(time)} level=${value(level)} msg=${value(msg)}${rest.join('')}\n`
}

const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

function wrap(sink: pino.Logger, gate: { readonly level: LogLevel }): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (ranks[level] >= ranks[gate.level]) sink[level](fields ?? {}, message)
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(sink.child({ ...fields }), gate),
  }
}

/** Swallows everything: for tests and for callers that report by return value alone. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}
