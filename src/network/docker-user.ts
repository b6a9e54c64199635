import { z } from 'zod'
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

/**
 * A dockerd on the host sets the policy of FORWARD to drop and offers the chain DOCKER-USER for others' accepts: the only
 * foreign place where we add rules. Ours carry a comment with our name, stand behind the admin's, and go with us.
 */
export class DockerUser {
  readonly #tag: string

  constructor(instance: string) {
    this.#tag = `gantry_${instance}`
  }

  /** Lets the bridges' traffic pass where dockerd would drop it. Rules of bridges that are no longer listed go. */
  async allow(op: Op, bridges: readonly string[]): Promise<void> {
    const rules = await this.#rules(op)
    if (!rules) return this.#warnOfDropPolicy(op)
    const mine = rules.filter((rule) => rule.comment === this.#tag)
    const script = mine.map((rule) => `delete rule ip filter DOCKER-USER handle ${rule.handle}`)
    const end = [rules.at(-1)].find((rule) => rule?.expr.some((e) => 'return' in e))
    const place = end
      ? `insert rule ip filter DOCKER-USER handle ${end.handle}`
      : 'add rule ip filter DOCKER-USER'
    for (const bridge of bridges)
      for (const side of ['iifname', 'oifname'])
        script.push(`${place} ${side} "${bridge}" counter accept comment "${this.#tag}"`)
    if (script.length > 0) await apply(op, `${script.join('\n')}\n`)
  }

  /** Takes our rules away. */
  async withdraw(op: Op): Promise<void> {
    const rules = (await this.#rules(op)) ?? []
    const script = rules
      .filter((rule) => rule.comment === this.#tag)
      .map((rule) => `delete rule ip filter DOCKER-USER handle ${rule.handle}\n`)
    if (script.length > 0) await apply(op, script.join(''))
  }

  async #rules(op: Op) {
    const found = await query(op, ['list', 'chain', 'ip', 'filter', 'DOCKER-USER'])
    return found === undefined
      ? undefined
      : listing.parse(found).nftables.flatMap((entry) => (entry.rule ? [entry.rule] : []))
  }

  async #warnOfDropPolicy(op: Op): Promise<void> {
    const found = await query(op, ['list', 'chain', 'ip', 'filter', 'FORWARD'])
    if (found === undefined) return
    if (listing.parse(found).nftables.some((entry) => entry.chain?.policy === 'drop'))
      op.log.warn(
        'the chain FORWARD of the host drops what it does not know: containers may have no way out; accept our bridges there',
      )
  }
}
