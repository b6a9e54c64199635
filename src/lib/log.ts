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

/** JSON lines, or dockerd's text, to the given file descriptor (2 = stderr). Errors are written with type, message, stack and causes. */
export function createLogger(options: { level: LogLevel; fd?: number; format?: 'json' | 'text' }): Logger {
  const sink = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    destination(options),
  )
  return wrap(sink)
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

function wrap(sink: pino.Logger): Logger {
  return {
    debug: (message, fields) => sink.debug(fields ?? {}, message),
    info: (message, fields) => sink.info(fields ?? {}, message),
    warn: (message, fields) => sink.warn(fields ?? {}, message),
    error: (message, fields) => sink.error(fields ?? {}, message),
    child: (fields) => wrap(sink.child({ ...fields })),
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
