import { z } from 'zod'
import { EngineError } from '../../lib/errors.ts'
import type { Glob } from '../../lib/glob.ts'
import { namePattern } from '../../lib/name-pattern.ts'
import type { Action } from './access.ts'

const names = z.array(z.string().min(1))
const schema = z.strictObject({
  groups: z.record(z.string().min(1), names).exactOptional(),
  rules: z.array(
    z.strictObject({
      users: names.exactOptional(),
      groups: names.exactOptional(),
      anonymous: z.boolean().exactOptional(),
      repositories: names,
      allow: z.array(z.enum(['pull', 'push', 'delete'])).min(1),
    }),
  ),
})

interface Rule {
  /** `*`: everybody who is logged in. */
  readonly users: ReadonlySet<string>
  readonly anonymous: boolean
  readonly patterns: readonly string[]
  readonly allow: ReadonlySet<Action>
}

/** Stands for the name of the user who asks. */
const userPart = '${user}'

/**
 * Rights to repositories: what no rule allows is refused, and rules only ever add. A rule is for users by name (`*`: all that are
 * logged in), for groups, or for requests without a login (which everybody may make).
 */
class Rights {
  readonly #rules: readonly Rule[]
  readonly #globs = new Map<string, Glob>()

  constructor(rules: readonly Rule[]) {
    this.#rules = rules
  }

  /** Whether any rule is for requests without a login. */
  get hasAnonymous(): boolean {
    return this.#rules.some((rule) => rule.anonymous)
  }

  /** `user` undefined: without a login. */
  allows(user: string | undefined, repository: string, action: Action): boolean {
    return this.#rules.some(
      (rule) =>
        rule.allow.has(action) &&
        (rule.anonymous || (user !== undefined && (rule.users.has('*') || rule.users.has(user)))) &&
        rule.patterns.some((pattern) => this.#matches(pattern, user, repository)),
    )
  }

  #matches(pattern: string, user: string | undefined, repository: string): boolean {
    if (!pattern.includes(userPart)) {
      let glob = this.#globs.get(pattern)
      if (!glob) this.#globs.set(pattern, (glob = namePattern(pattern)))
      return glob.test(repository)
    }
    // Repositories are in lower case and without most signs: a user of another name has none of their own.
    if (user === undefined || !/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(user)) return false
    return namePattern(pattern.replaceAll(userPart, user)).test(repository)
  }
}

/** All may be done by those who are logged in, nothing by others. */
export const usersOnly: Pick<Rights, 'allows'> = { allows: (user) => user !== undefined }

/** Decodes a file of rights. Throws kind `invalid` naming the part at fault. */
export function parseRights(text: string): Rights {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new EngineError('invalid', cause instanceof Error ? cause.message : 'not JSON', { cause })
  }
  const result = schema.safeParse(value)
  if (!result.success) {
    const issue = result.error.issues[0]
    throw new EngineError('invalid', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`)
  }
  const groups = result.data.groups ?? {}
  return new Rights(
    result.data.rules.map((rule, index) => {
      const fail = (why: string) => new EngineError('invalid', `rules.${index}: ${why}`)
      const members = (rule.groups ?? []).flatMap((group) => {
        const found = Object.hasOwn(groups, group) ? groups[group] : undefined
        if (!found) throw fail(`there is no group ${JSON.stringify(group)}`)
        return found
      })
      if (rule.users === undefined && rule.groups === undefined && rule.anonymous !== true)
        throw fail('want users, groups or anonymous: it is for nobody')
      for (const pattern of rule.repositories)
        if (!/^[a-z0-9._/*${}-]+$/.test(pattern))
          throw fail(`no repository matches ${JSON.stringify(pattern)}`)
      return {
        users: new Set([...(rule.users ?? []), ...members]),
        anonymous: rule.anonymous ?? false,
        patterns: rule.repositories,
        allow: new Set(rule.allow),
      }
    }),
  )
}
