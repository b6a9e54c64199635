import { readlinkSync } from 'node:fs'
import { attributesOf, NETLINK_NETFILTER, NetlinkListener } from './netlink.ts'

const NFNLGRP_NFTABLES = 7
const NFNL_SUBSYS_NFTABLES = 10
const NFT_MSG_NEWCHAIN = 3
const NFT_MSG_DELCHAIN = 5
const NFT_MSG_NEWRULE = 6
const NFT_MSG_DELRULE = 8
const NFT_MSG_DELSETELEM = 14
const NFT_MSG_NEWGEN = 15
/** Each kind of message names its table in its first attribute. */
const tableAttribute = 1
const NFTA_CHAIN_NAME = 3
const NFTA_RULE_CHAIN = 2
const NFTA_GEN_PROC_PID = 2

const families: Readonly<Record<number, string>> = { 1: 'inet', 2: 'ip', 10: 'ip6' }

/** What one transaction changed. */
export interface NftChange {
  /** `inet gantry_1`, of all tables that it touched. */
  readonly tables: ReadonlySet<string>
  /** `ip filter FORWARD`, of chains that came or went (or got another policy) and chains with other rules. */
  readonly chains: ReadonlySet<string>
  /** Tables of which elements were taken out. */
  readonly drained: ReadonlySet<string>
  /** Whose it was; undefined where process numbers are other than the kernel's (a pid namespace). */
  readonly pid: number | undefined
}

/** Changes of the host's nftables as they are made, by whomever. For worker threads: wait for `fd` to be readable. */
export class NftEvents implements Disposable {
  readonly #socket = new NetlinkListener(NETLINK_NETFILTER, NFNLGRP_NFTABLES)
  readonly #knowsPids = readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]'
  #tables = new Set<string>()
  #chains = new Set<string>()
  #drained = new Set<string>()

  get fd(): number {
    return this.#socket.fd
  }

  /** The transactions that ended; `overrun` when the kernel had more to tell than it kept. */
  read(): NftChange[] | 'overrun' {
    const messages = this.#socket.read()
    if (messages === 'overrun') return messages
    return messages.flatMap(({ type, body }) => this.#take(type, body))
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }

  #take(type: number, body: Buffer): NftChange[] {
    if (type >> 8 !== NFNL_SUBSYS_NFTABLES) return []
    const kind = type & 0xff
    const fields = attributesOf(body, 4)
    if (kind === NFT_MSG_NEWGEN) return [this.#end(fields.get(NFTA_GEN_PROC_PID)?.readUInt32BE(0))]
    const text = (attribute: number) => fields.get(attribute)?.toString('utf8').replace(/\0.*$/s, '') ?? ''
    const table = `${families[body[0] ?? 0] ?? 'other'} ${text(tableAttribute)}`
    this.#tables.add(table)
    if (kind === NFT_MSG_NEWCHAIN || kind === NFT_MSG_DELCHAIN)
      this.#chains.add(`${table} ${text(NFTA_CHAIN_NAME)}`)
    if (kind === NFT_MSG_NEWRULE || kind === NFT_MSG_DELRULE)
      this.#chains.add(`${table} ${text(NFTA_RULE_CHAIN)}`)
    if (kind === NFT_MSG_DELSETELEM) this.#drained.add(table)
    return []
  }

  #end(pid: number | undefined): NftChange {
    const change = {
      tables: this.#tables,
      chains: this.#chains,
      drained: this.#drained,
      pid: this.#knowsPids ? pid : undefined,
    }
    this.#tables = new Set()
    this.#chains = new Set()
    this.#drained = new Set()
    return change
  }
}
