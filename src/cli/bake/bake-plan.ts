import type { BakeDefinitions } from './bake-file.ts'
import { checkTargetName } from './bake-file.ts'
import { applyOverrides, type Override } from './bake-overrides.ts'
import { fieldNames, mergeTargets, targetOf, textsOf, type Target } from './bake-target.ts'
import { HclError } from './hcl-syntax.ts'

/** What one call of bake builds. */
export interface BakePlan {
  /** Targets of the groups that were asked for, and of `default`: all that was. */
  readonly groups: Readonly<Record<string, readonly string[]>>
  readonly targets: ReadonlyMap<string, Target>
}

/** Resolves names to targets, with what they inherit and what `--set` says; targets that are contexts of others come along. */
export function planBake(
  definitions: BakeDefinitions,
  o: { names: readonly string[]; overrides: readonly Override[]; env: NodeJS.ProcessEnv },
): BakePlan {
  const planner = new Planner(definitions, o)
  return planner.plan(o.names.length > 0 ? o.names : ['default'])
}

class Planner {
  readonly #own = new Map<string, Target>()
  readonly #groups = new Map<string, string[]>()
  readonly #targets = new Map<string, Target>()
  readonly #o: { overrides: readonly Override[]; env: NodeJS.ProcessEnv }

  constructor(definitions: BakeDefinitions, o: { overrides: readonly Override[]; env: NodeJS.ProcessEnv }) {
    this.#o = o
    for (const { name, attributes } of definitions.targets)
      this.#own.set(name, mergeTargets(this.#own.get(name) ?? {}, targetOf(name, attributes)))
    for (const { name, attributes } of definitions.groups)
      this.#groups.set(name, [
        ...new Set([...(this.#groups.get(name) ?? []), ...textsOf(attributes.get('targets') ?? [])]),
      ])
  }

  plan(names: readonly string[]): BakePlan {
    const groups = new Map<string, string[]>()
    const all = names.flatMap((name) => this.#expand(name, [], groups))
    // What was asked for is the default of this call.
    for (const name of names)
      if (name !== 'default') groups.set('default', [...new Set([...(groups.get('default') ?? []), name])])
    for (const target of new Set(all)) this.#add(target)
    return { groups: Object.fromEntries(groups), targets: this.#targets }
  }

  /** Targets below a name; `seen` gets the groups on the way. */
  #expand(name: string, above: readonly string[], seen: Map<string, string[]>): string[] {
    const members = this.#groups.get(name)
    if (!members || above.includes(name)) {
      if (this.#own.has(name)) return [name]
      if (members) throw new HclError(`group ${JSON.stringify(name)} contains itself`)
      throw new HclError(`failed to find target ${name}`)
    }
    seen.set(name, members)
    return members.flatMap((member) => this.#expand(member, [...above, name], seen))
  }

  #add(name: string): void {
    if (this.#targets.has(name)) return
    checkTargetName(name)
    const { inherits: _, ...target } = this.#resolve(name, [])
    const context = target.context ?? '.'
    const dockerfile = target.dockerfile ?? 'Dockerfile'
    // In the order in which they are shown.
    const whole: Record<string, unknown> = { ...target, context, dockerfile }
    const ordered = Object.fromEntries(
      fieldNames.filter((field) => whole[field] !== undefined).map((field) => [field, whole[field]]),
    )
    this.#targets.set(name, ordered)
    for (const other of contextTargets(target)) {
      if (!this.#own.has(other))
        throw new HclError(`target ${JSON.stringify(name)}: failed to find target ${other}`)
      this.#add(other)
    }
  }

  #resolve(name: string, below: readonly string[]): Target {
    const own = this.#own.get(name)
    if (!own) throw new HclError(`failed to find target ${name}`)
    if (below.includes(name)) throw new HclError(`infinite loop from ${below.join(' to ')} to ${name}`)
    let base: Target = {}
    for (const parent of own.inherits ?? [])
      base = mergeTargets(base, this.#resolve(parent, [...below, name]))
    // As buildx: what is inherited is overridden too.
    return applyOverrides(name, mergeTargets(base, own), this.#o)
  }
}

/** Targets whose result another one takes as a named context: `contexts = { base = "target:base" }`. */
export function contextTargets(target: Target): string[] {
  return Object.values(target.contexts ?? {})
    .filter((place) => place?.startsWith('target:'))
    .map((place) => place?.slice('target:'.length) ?? '')
}
