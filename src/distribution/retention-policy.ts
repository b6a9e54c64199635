import { z } from 'zod'
import { EngineError } from '../lib/errors.ts'
import type { Glob } from '../lib/glob.ts'
import { namePattern } from '../lib/name-pattern.ts'

/** What one repository keeps. Every tag that no sentence of it keeps is removed, if it says anything about tags. */
export interface RetentionRule {
  /** As written, for explanations. */
  readonly name: string
  readonly repositories: readonly Glob[]
  /** Tags that are never removed. */
  readonly keepTags: readonly Pattern[]
  /** Only these are removed at all. */
  readonly removeTags: readonly Pattern[]
  readonly keepLast: number | undefined
  /** Milliseconds since the tag was last set. */
  readonly keepWithin: number | undefined
  /** Milliseconds since a manifest without a tag was pushed. */
  readonly removeUntagged: number | undefined
}

export interface Pattern {
  readonly text: string
  readonly glob: Glob
}

/** The first rule that matches a repository's name counts; a repository without a rule keeps everything. */
export type RetentionPolicy = readonly RetentionRule[]

const maxFile = 1 << 20
const maxRules = 1000
const pattern = z.string().min(1).max(300)
const patterns = z.array(pattern).max(1000)
const file = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        repositories: patterns.min(1),
        keepTags: patterns.optional(),
        removeTags: patterns.optional(),
        keepLast: z.number().int().min(1).max(1_000_000).optional(),
        keepWithin: z.string().optional(),
        removeUntagged: z.string().optional(),
      }),
    )
    .max(maxRules),
})

/** Reads the JSON of a file of rules. `what` names it in errors. Throws kind `invalid`. */
export function parseRetention(text: string, what: string): RetentionPolicy {
  if (text.length > maxFile) throw new EngineError('invalid', `${what} is larger than 1 MiB`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new EngineError('invalid', `${what} is not JSON`, { cause })
  }
  const found = file.safeParse(value)
  if (!found.success) {
    const [issue] = found.error.issues
    throw new EngineError(
      'invalid',
      `${what}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'invalid'}`,
    )
  }
  return found.data.rules.map((rule, index) => {
    const at = (field: string) => `${what}: rules.${index}.${field}`
    const { keepTags = [], removeTags, keepLast, keepWithin, removeUntagged } = rule
    if (keepTags.length > 0 && removeTags === undefined && keepLast === undefined && keepWithin === undefined)
      throw new EngineError(
        'invalid',
        `${at('keepTags')}: nothing is removed by this rule: removeTags, keepLast or keepWithin is missing`,
      )
    return {
      name: `rule ${index + 1} (${rule.repositories.join(', ')})`,
      repositories: rule.repositories.map(namePattern),
      keepTags: keepTags.map(patternOf),
      removeTags: (removeTags ?? (keepLast === undefined && keepWithin === undefined ? [] : ['*'])).map(
        patternOf,
      ),
      keepLast,
      keepWithin: keepWithin === undefined ? undefined : parseAge(keepWithin, at('keepWithin')),
      removeUntagged:
        removeUntagged === undefined ? undefined : parseAge(removeUntagged, at('removeUntagged')),
    }
  })
}

export function ruleFor(policy: RetentionPolicy, repository: string): RetentionRule | undefined {
  return policy.find((rule) => rule.repositories.some((glob) => glob.test(repository)))
}

const patternOf = (text: string): Pattern => ({ text, glob: namePattern(text) })

const units: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 24 * 3_600_000,
  w: 7 * 24 * 3_600_000,
}

/** `30d`, `12h`, `2w`. Milliseconds. */
function parseAge(text: string, where: string): number {
  const [, number = '', unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  const factor = units[unit]
  if (factor === undefined)
    throw new EngineError(
      'invalid',
      `${where}: invalid time ${JSON.stringify(text.slice(0, 50))}: want a number and s, m, h, d or w, like "30d"`,
    )
  return Number(number) * factor
}
