import { EngineError } from '../../lib/errors.ts'
import type { CheckLevel } from '../../wire/check.ts'
import { defaultVersion, latestVersion, ruleList, type Rule } from './rules.ts'

/** What counts, in the words of docker's `check` directive: `skip=A,B;error=true`, with `level=A:info` and `version=1` besides. */
export interface CheckOptions {
  readonly skip: 'all' | readonly string[]
  readonly experimental: 'all' | readonly string[]
  readonly levels: Readonly<Record<string, CheckLevel>>
  /** Findings of level warning and above make the check fail. */
  readonly error?: boolean
  readonly version?: number
}

const noOptions: CheckOptions = { skip: [], experimental: [], levels: {} }

const truths: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  '1': true,
  false: false,
  f: false,
  '0': false,
}

/** Throws kind `invalid` with docker's texts. */
export function parseCheckOptions(text: string): CheckOptions {
  let options = noOptions
  if (text.trim() === '') return options
  for (const part of text.split(';')) {
    const equals = part.indexOf('=')
    if (equals < 0) throw invalid(`invalid check option ${JSON.stringify(part)}`)
    const value = part.slice(equals + 1).trim()
    options = { ...options, ...optionOf(part.slice(0, equals).trim(), value, part) }
  }
  return options
}

function optionOf(name: string, value: string, part: string): Partial<CheckOptions> {
  const names = value.split(',').map((each) => each.trim())
  switch (name) {
    case 'skip':
    case 'experimental':
      return { [name]: value === 'all' ? 'all' : names.filter((each) => each !== '') }
    case 'error': {
      const error = Object.hasOwn(truths, value.toLowerCase()) ? truths[value.toLowerCase()] : undefined
      if (error === undefined)
        throw invalid(
          `failed to parse check option ${JSON.stringify(part)}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
        )
      return { error }
    }
    case 'level':
      return { levels: Object.fromEntries(names.map(levelOf)) }
    case 'version': {
      const version = /^\d{1,4}$/.test(value) ? Number(value) : -1
      if (version < 0 || version > latestVersion)
        throw invalid(`check option version=${value}: this rule set knows the versions 0 to ${latestVersion}`)
      return { version }
    }
    default:
      throw invalid(`invalid check option ${JSON.stringify(name)}`)
  }
}

function levelOf(text: string): [string, CheckLevel] {
  const [rule = '', level = ''] = text.split(':')
  if (!ruleList.some(({ name }) => name === rule))
    throw invalid(`check option level: there is no rule ${JSON.stringify(rule)}`)
  if (level !== 'error' && level !== 'warning' && level !== 'info')
    throw invalid(`check option level=${text}: a level is error, warning or info`)
  return [rule, level]
}

/** The later ones win; what is skipped or tried stays so. */
export function mergeOptions(list: readonly CheckOptions[]): CheckOptions {
  const join = (key: 'skip' | 'experimental') =>
    list.some((options) => options[key] === 'all') ? 'all' : list.flatMap((options) => options[key])
  const error = list.findLast((options) => options.error !== undefined)?.error
  const version = list.findLast((options) => options.version !== undefined)?.version
  return {
    skip: join('skip'),
    experimental: join('experimental'),
    levels: Object.assign({}, ...list.map((options) => options.levels)) as Record<string, CheckLevel>,
    ...(error !== undefined && { error }),
    ...(version !== undefined && { version }),
  }
}

/** The level a rule has under these options; undefined: it does not count. */
export function levelUnder(rule: Rule, options: CheckOptions): CheckLevel | undefined {
  const has = (list: 'all' | readonly string[]) => list === 'all' || list.includes(rule.name)
  // Docker: `skip=all` leaves the experimental rules that were asked for.
  if (rule.experimental) {
    if (!has(options.experimental)) return undefined
  } else if (has(options.skip)) return undefined
  const version = options.version ?? defaultVersion
  if (version === 0 && rule.since > 0) return undefined
  const level = options.levels[rule.name] ?? rule.level
  return rule.since > version && level === 'error' ? 'warning' : level
}

/** Whether a finding of this level makes the check fail. A rule newer than the version asked for only warns. */
export function fails(rule: Rule, level: CheckLevel, options: CheckOptions): boolean {
  if (rule.since > (options.version ?? defaultVersion)) return false
  return level === 'error' || (level === 'warning' && options.error === true)
}

function invalid(message: string): EngineError {
  return new EngineError('invalid', message)
}
