import { z } from 'zod'
import { Lock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import { apply, query } from '../host/nft.ts'

const listing = z.object({
  nftables: z.array(
    z.object({
      chain: z.object({ policy: z.string().optional() }).optional(),
      rule: z
        .object({
          handle: z.number(),
          comment: z.string().optional(),
          expr: z.array(z.record(z.string(), z.unknown())),
        })
        .optional(),
    }),
  ),
})

type Rule = NonNullable<z.infer<typeof listing>['nftables'][number]['rule']>

const families = ['ip', 'ip6'] as const

/**
 * A dockerd on the host sets the policy of FORWARD to drop and offers the chain DOCKER-USER for others' accepts: the only
 * foreign place where we add rules, for both families. Ours carry a comment with our name, stand behind the admin's, and go
 * with us.
 */
export class DockerUser {
  readonly #tag: string
  readonly #changing = new Lock()
  #warned = false

  constructor(instance: string) {
    this.#tag = `gantry_${instance}`
  }

  /**
   * Lets the bridges' traffic pass where dockerd would drop it. Rules of bridges that are no longer listed go; where all is as
   * it should be nothing is touched.
   */
  async allow(op: Op, bridges: readonly string[]): Promise<void> {
    using _lock = await this.#changing.acquire(op.signal)
    const wanted = bridges.flatMap((b) => [`iifname ${b}`, `oifname ${b}`])
    for (const family of families) {
      const rules = await this.#rules(op, family)
      if (!rules) {
        await this.#warnOfDropPolicy(op, family)
        continue
      }
      const script = this.#script(family, { rules, wanted })
      if (script.length > 0) await apply(op, `${script.join('\n')}\n`)
    }
  }

  /** Takes our rules away. */
  async withdraw(op: Op): Promise<void> {
    using _lock = await this.#changing.acquire(op.signal)
    for (const family of families) {
      const rules = await this.#rules(op, family)
      const script = rules ? this.#script(family, { rules, wanted: [] }) : []
      if (script.length > 0) await apply(op, `${script.join('\n')}\n`)
    }
  }

  #script(family: string, o: { rules: readonly Rule[]; wanted: readonly string[] }): string[] {
    const chain = `${family} filter DOCKER-USER`
    const mine = o.rules.filter((rule) => rule.comment === this.#tag)
    const end = [o.rules.at(-1)].find((rule) => rule?.expr.some((e) => 'return' in e))
    // The admin's rules, whenever they came, are asked first. Those of another gantryd are no reason to move: it would move, too.
    const behind = o.rules.slice(
      o.rules.findIndex((rule) => rule.comment === this.#tag),
      end ? -1 : undefined,
    )
    const inPlace = behind.every((rule) => rule.comment?.startsWith('gantry_'))
    if (inPlace && mine.map(interfaceOf).join() === o.wanted.join()) return []
    const place = end ? `insert rule ${chain} handle ${end.handle}` : `add rule ${chain}`
    return [
      ...mine.map((rule) => `delete rule ${chain} handle ${rule.handle}`),
      ...o.wanted.map((match) => {
        const [side, bridge] = match.split(' ')
        return `${place} ${side} "${bridge}" counter accept comment "${this.#tag}"`
      }),
    ]
  }

  async #rules(op: Op, family: string): Promise<Rule[] | undefined> {
    const found = await query(op, ['list', 'chain', family, 'filter', 'DOCKER-USER'])
    return found === undefined
      ? undefined
      : listing.parse(found).nftables.flatMap((entry) => (entry.rule ? [entry.rule] : []))
  }

  async #warnOfDropPolicy(op: Op, family: string): Promise<void> {
    if (this.#warned) return
    const found = await query(op, ['list', 'chain', family, 'filter', 'FORWARD'])
    if (found === undefined) return
    if (!listing.parse(found).nftables.some((entry) => entry.chain?.policy === 'drop')) return
    this.#warned = true
    op.log.warn(
      'the chain FORWARD of the host drops what it does not know: containers may have no way out; accept our bridges there',
      { family },
    )
  }
}

/** `iifname br0` of a rule of ours. */
function interfaceOf(rule: Rule): string {
  const match = matchExpression.safeParse(rule.expr[0])
  return match.success ? `${match.data.match.left.meta.key} ${match.data.match.right}` : ''
}

const matchExpression = z.object({
  match: z.object({ left: z.object({ meta: z.object({ key: z.string() }) }), right: z.string() }),
})
