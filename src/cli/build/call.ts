import { EngineError } from '../../lib/errors.ts'
import { parseBool } from '../../lib/parse-bool.ts'
import type { CheckRequest } from '../../wire/check.ts'
import type { Options } from './flags.ts'

/** `--call METHOD[,format=json][,error=true][,ignorestatus=true]`, as buildx reads it. */
export interface Call {
  readonly method: CheckRequest['method']
  readonly json: boolean
  /** Findings count as a fault: what `check=error=true` says. */
  readonly error: boolean
  readonly ignoreStatus: boolean
}

/** Nothing for an ordinary build. Throws kind `invalid` for what means nothing. */
export function callOf(options: Pick<Options, 'call' | 'check'>): Call | undefined {
  const [name = '', ...fields] = (options.call || (options.check ? 'check' : 'build')).split(',')
  const call = { method: methodOf(name), json: false, error: false, ignoreStatus: false }
  for (const field of fields) {
    const [key = '', value = ''] = field.split('=')
    if (key === 'format' && ['json', 'text'].includes(value)) call.json = value === 'json'
    else if (key === 'error') call.error = isTrue(field, value)
    else if (key === 'ignorestatus') call.ignoreStatus = isTrue(field, value)
    else throw new EngineError('invalid', `invalid print field: ${field}`)
  }
  const { method } = call
  return method === undefined ? undefined : { ...call, method }
}

function methodOf(name: string): CheckRequest['method'] | undefined {
  if (name === 'build') return undefined
  if (name === 'check' || name === 'lint') return 'lint'
  if (name === 'outline' || name === 'targets') return name
  throw new EngineError('unsupported', `--call ${name}: it is build, check, outline or targets`)
}

function isTrue(field: string, value: string): boolean {
  const result = value === '' || parseBool(value)
  if (result === undefined) throw new EngineError('invalid', `invalid print field: ${field}`)
  return result
}
