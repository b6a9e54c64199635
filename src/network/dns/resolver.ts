import { forward, forwardStream, type Server } from './forward.ts'
import { addresses, empty, parseQuery, pointer, RCODE, TYPE, type Query } from './message.ts'
import { addressKeyOfPointer, type Family, type Names } from './names.ts'

/** Docker's limit on the questions of one container that are under way to its upstream servers. */
const maxForwarded = 1024

/** What the containers have under way together: each question takes a descriptor or two of the daemon's. */
export interface Load {
  forwarded: number
  readonly limit: number
}

export interface View {
  /** Whose names it knows, in the order of preference. */
  readonly networks: readonly string[]
  /** Other names are asked of the upstream servers. */
  readonly external: boolean
  /** Names of this one container's own, before all others. */
  readonly extra: Readonly<Record<string, readonly string[]>>
  /** By network: names that this container alone has for others there, in lower case, and what the network calls those. */
  readonly links: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** The container's resolv.conf sets ndots: names without a dot are no names of the world. */
  readonly ndotsSet: boolean
}

/** Answers the queries of one container. */
export class Resolver {
  readonly #names: Names
  readonly #upstreams: readonly Server[]
  readonly #all: Load
  #view: View
  #extra = new Map<string, readonly string[]>()
  #forwarded = 0

  constructor(o: { names: Names; upstreams: readonly Server[]; view: View; load: Load }) {
    this.#names = o.names
    this.#upstreams = o.upstreams
    this.#all = o.load
    this.#view = o.view
    this.update(o.view)
  }

  update(view: Partial<View>): void {
    this.#view = { ...this.#view, ...view }
    this.#extra = new Map(Object.entries(this.#view.extra).map(([name, list]) => [name.toLowerCase(), list]))
  }

  /** The answer; nothing to what is no query. At once for the containers' own names. */
  answer(bytes: Buffer, stream: boolean): Buffer | Promise<Buffer> | undefined {
    const query = parseQuery(bytes)
    if (!query) return unreadable(bytes)
    if (query.opcode !== 0) return empty(query, RCODE.notImp)
    try {
      return this.#own(query, stream) ?? this.#foreign(query, stream)
    } catch {
      // A name that the format cannot hold (a label of more than 63 bytes). One query must never end the thread of all.
      return empty(query, RCODE.servFail)
    }
  }

  #own(query: Query, stream: boolean): Buffer | undefined {
    if (!query.internet) return undefined
    const name = query.name.toLowerCase()
    if (query.type === TYPE.PTR) {
      const key = addressKeyOfPointer(name)
      const target = key === undefined ? undefined : this.#names.nameOf(this.#view.networks, key)
      return target === undefined ? undefined : pointer(query, target, stream)
    }
    const v4 = this.#lookup(name, 4)
    if (!v4) return undefined
    // A name of ours is asked of nobody else, whatever is asked about it.
    if (query.type === TYPE.A) return addresses(query, v4, stream)
    if (query.type === TYPE.AAAA) return addresses(query, this.#lookup(name, 6) ?? [], stream)
    if (query.type === TYPE.ANY) return addresses(query, [...v4, ...(this.#lookup(name, 6) ?? [])], stream)
    return empty(query, RCODE.ok)
  }

  #lookup(name: string, family: Family): string[] | undefined {
    const own = this.#extra.get(name)
    if (own) return own.filter((address) => address.includes(':') === (family === 6))
    return this.#linked(name, family) ?? this.#names.lookup(this.#view.networks, name, family)
  }

  /** Docker: a link goes before the name that somebody else has; where it leads nowhere, nobody is meant by it. */
  #linked(name: string, family: Family): string[] | undefined {
    for (const network of this.#view.networks) {
      const links = this.#view.links[network] ?? {}
      const target = Object.hasOwn(links, name) ? links[name] : undefined
      const found = target === undefined ? undefined : this.#names.lookup([network], target, family)
      if (found) return found
    }
    return undefined
  }

  #foreign(query: Query, stream: boolean): Buffer | Promise<Buffer> {
    if (!this.#view.external || this.#upstreams.length === 0) return empty(query, RCODE.servFail)
    const isAddress = query.type === TYPE.A || query.type === TYPE.AAAA
    // Docker: an empty answer makes the client go on with its search domains.
    if (isAddress && this.#view.ndotsSet && !query.name.includes('.')) return empty(query, RCODE.ok)
    if (this.#forwarded >= maxForwarded || this.#all.forwarded >= this.#all.limit)
      return empty(query, RCODE.refused)
    return this.#forward(query, stream)
  }

  async #forward(query: Query, stream: boolean): Promise<Buffer> {
    this.#forwarded++
    this.#all.forwarded++
    try {
      const reply = await (stream ? forwardStream : forward)(query, this.#upstreams)
      return reply ?? empty(query, RCODE.servFail)
    } finally {
      this.#forwarded--
      this.#all.forwarded--
    }
  }
}

/** What looks like a query but cannot be read is answered by its header alone. */
function unreadable(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 12 || bytes.readUInt16BE(2) & 0x8000) return undefined
  const reply = Buffer.alloc(12)
  bytes.copy(reply, 0, 0, 2)
  reply.writeUInt16BE(0x8000 | (bytes.readUInt16BE(2) & 0x7900) | RCODE.formErr, 2)
  return reply
}
