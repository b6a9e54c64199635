import { z } from 'zod'
import { contains, parseCidr } from './ipam.ts'

/** A new connection's first packet at one hook. What is undefined may be anything. */
export interface Packet {
  readonly hook: 'input' | 'forward' | 'output'
  readonly family: 'ip' | 'ip6'
  readonly proto: 'tcp' | 'udp'
  /** Undefined: any but the loopback interface. */
  readonly iifname: string | undefined
  readonly oifname: string | undefined
  readonly daddr: string | undefined
  readonly dport: number
  /** It was redirected. */
  readonly dnat: boolean
}

/** `by` names the chain, and in it the rule or the policy. */
export type Judgement =
  | { readonly outcome: 'accept' }
  | { readonly outcome: 'drop' | 'maybe'; readonly by: string }

const chainSchema = z.object({
  family: z.string(),
  table: z.string(),
  name: z.string(),
  type: z.string().optional(),
  hook: z.string().optional(),
  prio: z.number().optional(),
  policy: z.string().optional(),
})
const ruleSchema = z.object({
  family: z.string(),
  table: z.string(),
  chain: z.string(),
  handle: z.number(),
  expr: z.array(z.record(z.string(), z.unknown())),
})
const setSchema = z.object({
  family: z.string(),
  table: z.string(),
  name: z.string(),
  elem: z.array(z.unknown()).optional(),
})
const rulesetSchema = z.object({
  nftables: z.array(
    z.object({ chain: chainSchema.optional(), rule: ruleSchema.optional(), set: setSchema.optional() }),
  ),
})

type Chain = z.infer<typeof chainSchema>
type Rule = z.infer<typeof ruleSchema>

/** The filter rules of a host. */
export interface Ruleset {
  readonly chains: readonly Chain[]
  readonly rules: ReadonlyMap<string, readonly Rule[]>
  /** Elements by table and name. */
  readonly sets: ReadonlyMap<string, readonly unknown[]>
}

/** Decodes what `nft -j list ruleset` says, but for one table of family inet. */
export function decodeRuleset(value: unknown, without: string): Ruleset {
  const { nftables } = rulesetSchema.parse(value)
  const isForeign = (o: { family: string; table: string }) => o.family !== 'inet' || o.table !== without
  const chains = nftables.flatMap(({ chain }) => (chain && isForeign(chain) ? [chain] : []))
  const rules = new Map<string, Rule[]>()
  for (const { rule } of nftables) {
    if (!rule || !isForeign(rule)) continue
    const key = keyOf(rule, rule.chain)
    rules.set(key, [...(rules.get(key) ?? []), rule])
  }
  const sets = new Map(nftables.flatMap(({ set }) => (set ? [[keyOf(set, set.name), set.elem ?? []]] : [])))
  return { chains, rules, sets }
}

/** Every base chain of the hook has its say: one that drops is enough. */
export function judge(ruleset: Ruleset, packet: Packet): Judgement {
  let doubt: string | undefined
  const chains = ruleset.chains.filter(
    (chain) =>
      chain.type === 'filter' &&
      chain.hook === packet.hook &&
      (chain.family === 'inet' || chain.family === packet.family),
  )
  for (const chain of chains) {
    const walk = new Walk(ruleset, packet)
    const end = walk.through(chain, { name: chain.name, sure: true, depth: 0 })
    const [dropped, mayBe] = verdictOf(chain, { end, walk })
    if (dropped !== undefined) return { outcome: 'drop', by: dropped }
    doubt ??= mayBe
  }
  return doubt === undefined ? { outcome: 'accept' } : { outcome: 'maybe', by: doubt }
}

function verdictOf(
  chain: Chain,
  o: { end: End; walk: Walk },
): [dropped: string | undefined, maybe: string | undefined] {
  const { end, walk } = o
  const policy = `${nameOf(chain, chain.name)} (policy drop)`
  const drop =
    typeof end === 'object' ? end.dropped : end === 'end' && chain.policy === 'drop' ? policy : undefined
  if (drop !== undefined && !walk.mayAccept) return [drop, undefined]
  return [undefined, drop ?? walk.mayDrop]
}

/** How a chain is left: by a verdict, or at its end. */
type End = 'accept' | 'end' | { readonly dropped: string }

class Walk {
  /** A rule of which we cannot tell whether it matches accepts, or drops. */
  mayAccept = false
  mayDrop: string | undefined
  readonly #ruleset: Ruleset
  readonly #packet: Packet

  constructor(ruleset: Ruleset, packet: Packet) {
    this.#ruleset = ruleset
    this.#packet = packet
  }

  through(table: { family: string; table: string }, o: { name: string; sure: boolean; depth: number }): End {
    let { sure } = o
    if (o.depth > 32) return 'end' // deeper than the kernel allows
    for (const rule of this.#ruleset.rules.get(keyOf(table, o.name)) ?? []) {
      const match = matches(rule, { packet: this.#packet, sets: this.#ruleset.sets })
      if (match === false) continue
      const certain = sure && match === true
      const where = `${nameOf(table, o.name)} (rule ${rule.handle})`
      for (const statement of rule.expr) {
        if ('accept' in statement) {
          if (certain) return 'accept'
          this.mayAccept = true
        } else if ('drop' in statement || 'reject' in statement || 'queue' in statement) {
          if (certain && !('queue' in statement)) return { dropped: where }
          this.mayDrop ??= where
        } else if ('return' in statement) {
          if (certain) return 'end'
          sure = false
        } else if ('jump' in statement || 'goto' in statement) {
          const target = z.object({ target: z.string() }).safeParse(statement['jump'] ?? statement['goto'])
          const name = target.success ? target.data.target : ''
          const end = this.through(table, { name, sure: certain, depth: o.depth + 1 })
          if (certain && end !== 'end') return end
          if (certain && 'goto' in statement) return 'end'
        } else if ('xt' in statement || 'vmap' in statement) {
          // A target of iptables' or a map: it may be any verdict.
          this.mayDrop ??= where
          this.mayAccept = true
        }
      }
    }
    return 'end'
  }
}

const keyOf = (o: { family: string; table: string }, chain: string): string =>
  `${o.family} ${o.table} ${chain}`
const nameOf = keyOf

/** Undefined: it cannot be told. */
function matches(rule: Rule, o: Pick<Ruleset, 'sets'> & { packet: Packet }): boolean | undefined {
  let sure: true | undefined = true
  for (const statement of rule.expr) {
    const named = (name: string) => o.sets.get(keyOf(rule, name))
    const found =
      'match' in statement
        ? matchesOne(statement['match'], { packet: o.packet, named })
        : 'xt' in statement
          ? undefined
          : true
    if (found === false) return false
    if (found === undefined) sure = undefined
  }
  return sure
}

const matchSchema = z.object({
  op: z.string(),
  left: z.union([
    z.object({ meta: z.object({ key: z.string() }) }),
    z.object({ ct: z.object({ key: z.string() }) }),
    z.object({ payload: z.object({ protocol: z.string(), field: z.string() }) }),
  ]),
  right: z.unknown(),
})

function matchesOne(
  value: unknown,
  o: { packet: Packet; named: (set: string) => readonly unknown[] | undefined },
): boolean | undefined {
  const parsed = matchSchema.safeParse(value)
  if (!parsed.success) return undefined
  const { packet } = o
  const { op, left } = parsed.data
  const name = /^@(.*)$/s.exec(typeof parsed.data.right === 'string' ? parsed.data.right : '')?.[1]
  const elements = name === undefined ? undefined : o.named(name)
  // Nothing is in an empty set.
  if (elements?.length === 0) return op === '!='
  const right = elements ? { set: elements } : parsed.data.right
  if ('meta' in left && left.meta.key === 'iifname' && packet.iifname === undefined && right === 'lo')
    return op === '!='
  const known = valuesOf(left, packet)
  if (known === undefined) return undefined
  if (known.length === 0) return false
  const held = known.map((one) => holds(one, right))
  const found = held.includes(true) ? true : held.includes(undefined) ? undefined : false
  if (op === '==' || op === 'in') return found
  if (op === '!=') return found === undefined ? undefined : !found
  return undefined
}

/** What the packet has there; none when it has no such field; undefined when it may be anything. */
function valuesOf(left: z.infer<typeof matchSchema>['left'], packet: Packet): string[] | undefined {
  const one = (text: string | number | undefined) => (text === undefined ? undefined : [String(text)])
  if ('ct' in left) {
    if (left.ct.key === 'state') return ['new']
    if (left.ct.key === 'status') return packet.dnat ? undefined : ['']
    return undefined
  }
  if ('meta' in left) {
    const { key } = left.meta
    // A name that the hook does not have is empty.
    if (key === 'iifname') return packet.hook === 'output' ? [''] : one(packet.iifname)
    if (key === 'oifname') return packet.hook === 'input' ? [''] : one(packet.oifname)
    if (key === 'l4proto') return [packet.proto]
    if (key === 'nfproto') return [packet.family === 'ip' ? 'ipv4' : 'ipv6']
    if (key === 'protocol') return [packet.family]
    return undefined
  }
  const { protocol, field } = left.payload
  if (protocol === 'ip' || protocol === 'ip6') {
    if (protocol !== packet.family) return []
    if (field === 'daddr') return one(packet.daddr)
    if (field === 'protocol' || field === 'nexthdr') return [packet.proto]
    return undefined
  }
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'th') {
    if (protocol !== 'th' && protocol !== packet.proto) return []
    return field === 'dport' ? [String(packet.dport)] : undefined
  }
  if (['icmp', 'icmpv6', 'sctp', 'udplite', 'dccp', 'esp', 'ah'].includes(protocol)) return []
  return undefined
}

function holds(value: string, right: unknown): boolean | undefined {
  if (Array.isArray(right)) return anyOf(right.map((one) => holds(value, one)))
  if (typeof right === 'string') {
    if (right.startsWith('@')) return undefined
    return right.endsWith('*') ? value.startsWith(right.slice(0, -1)) : value === right
  }
  if (typeof right === 'number') return value === String(right)
  const set = z.object({ set: z.array(z.unknown()) }).safeParse(right)
  if (set.success) return anyOf(set.data.set.map((one) => holds(value, one)))
  const element = z.object({ elem: z.object({ val: z.unknown() }) }).safeParse(right)
  if (element.success) return holds(value, element.data.elem.val)
  const range = z.object({ range: z.tuple([z.number(), z.number()]) }).safeParse(right)
  if (range.success) return Number(value) >= range.data.range[0] && Number(value) <= range.data.range[1]
  const prefix = z.object({ prefix: z.object({ addr: z.string(), len: z.number() }) }).safeParse(right)
  if (prefix.success)
    return contains(parseCidr(`${prefix.data.prefix.addr}/${prefix.data.prefix.len}`), value)
  return undefined
}

function anyOf(list: readonly (boolean | undefined)[]): boolean | undefined {
  return list.includes(true) ? true : list.includes(undefined) ? undefined : false
}
