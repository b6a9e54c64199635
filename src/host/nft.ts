import type { Op } from '../lib/op.ts'
import {
  attribute,
  attributesOf,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NLM_F_CREATE,
  type Request,
} from './netlink.ts'
import { run } from './spawn.ts'

const NFNL_SUBSYS_NFTABLES = 10
const NFNL_MSG_BATCH_BEGIN = 0x10
const NFNL_MSG_BATCH_END = 0x11
const NFT_MSG_GETTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 1
const NFT_MSG_GETRULE = (NFNL_SUBSYS_NFTABLES << 8) | 7
const NFT_MSG_NEWSETELEM = (NFNL_SUBSYS_NFTABLES << 8) | 12
const NFT_MSG_DELSETELEM = (NFNL_SUBSYS_NFTABLES << 8) | 14
const NFTA_TABLE_NAME = 1
const NFTA_TABLE_HANDLE = 4
const NFTA_RULE_TABLE = 1
const NFTA_SET_ELEM_LIST_TABLE = 1
const NFTA_SET_ELEM_LIST_SET = 2
const NFTA_SET_ELEM_LIST_ELEMENTS = 3
const NFTA_LIST_ELEM = 1
const NFTA_SET_ELEM_KEY = 1
const NFTA_SET_ELEM_DATA = 2
const NFTA_SET_ELEM_FLAGS = 3
const NFTA_SET_ELEM_KEY_END = 10
const NFT_SET_ELEM_INTERVAL_END = 1
const NFTA_DATA_VALUE = 1
const NFPROTO_INET = 1

/** Applies a script in nft's language: all of it or, when any line is refused, nothing. */
export async function apply(op: Op, script: string): Promise<void> {
  await run(op, ['nft', '-f', '-'], { input: script })
}

/** What `nft -j <args>` lists, or undefined when there is no such table or chain. */
export async function query(op: Op, args: readonly string[]): Promise<unknown> {
  const { code, stdout } = await run(op, ['nft', '-j', ...args], { okCodes: [0, 1] })
  return code === 0 ? JSON.parse(stdout) : undefined
}

/** An element of a map or set in a table of family inet. Each field of key and data is in network order. */
export interface Element {
  readonly set: string
  readonly key: readonly Buffer[]
  readonly data?: readonly Buffer[]
  /** Sets of intervals: the last key, for one field as for a concatenation. */
  readonly last?: readonly Buffer[]
}

/**
 * For the calls below: keep it for long. To close it waits until the kernel has freed everything that was deleted by
 * whomever (10 to 30 ms).
 */
export const openNftSocket = (): NetlinkSocket => new NetlinkSocket(NETLINK_NETFILTER)

/**
 * Adds elements, all or none. An equal element is left as it is; one of the same key with other data is EEXIST. Straight over
 * netlink: 0.1 ms, where starting nft takes 4.
 */
export function addElements(socket: NetlinkSocket, table: string, elements: readonly Element[]): void {
  change(socket, table, [adding(elements)])
}

/** Removes elements, all or none: one that is not there is ENOENT. */
export function deleteElements(socket: NetlinkSocket, table: string, elements: readonly Element[]): void {
  change(socket, table, [removing(elements)])
}

/** Removes and adds in one transaction: no packet meets the state between. An error as of the two above leaves all as it was. */
export function replaceElements(
  socket: NetlinkSocket,
  table: string,
  o: { removed: readonly Element[]; added: readonly Element[] },
): void {
  change(socket, table, [removing(o.removed), adding(o.added)])
}

const adding = (elements: readonly Element[]): Change => ({
  type: NFT_MSG_NEWSETELEM,
  flags: NLM_F_CREATE,
  elements,
})
const removing = (elements: readonly Element[]): Change => ({ type: NFT_MSG_DELSETELEM, flags: 0, elements })

interface Change {
  readonly type: number
  readonly flags: number
  readonly elements: readonly Element[]
}

/** All of the changes, in their order, or none. */
function change(socket: NetlinkSocket, table: string, changes: readonly Change[]): void {
  if (changes.every(({ elements }) => elements.length === 0)) return
  const what = `nftables ${table}`
  const header = Buffer.from([NFPROTO_INET, 0, 0, 0])
  const frame = Buffer.from([0, 0, 0, NFNL_SUBSYS_NFTABLES])
  const requests = changes.flatMap(({ elements, ...message }) =>
    elements.map((element): Request => ({
      ...message,
      what: `${what} ${element.set}`,
      body: Buffer.concat([
        header,
        attribute(NFTA_SET_ELEM_LIST_TABLE, table),
        attribute(NFTA_SET_ELEM_LIST_SET, element.set),
        attribute(NFTA_SET_ELEM_LIST_ELEMENTS, encode(element)),
      ]),
    })),
  )
  socket.request({ type: NFNL_MSG_BATCH_BEGIN, body: frame, what, noAck: true }, ...requests, {
    type: NFNL_MSG_BATCH_END,
    body: frame,
    what,
    noAck: true,
  })
}

/** An interval of one field is two elements, its first key and the one after its last; of several fields one with both ends. */
function encode(element: Element): Buffer[] {
  const field = (type: number, parts: readonly Buffer[]): Buffer =>
    attribute(type, [attribute(NFTA_DATA_VALUE, concatenate(parts))])
  const { key, last, data } = element
  const fields = [field(NFTA_SET_ELEM_KEY, key)]
  if (data) fields.push(field(NFTA_SET_ELEM_DATA, data))
  if (last && last.length > 1) fields.push(field(NFTA_SET_ELEM_KEY_END, last))
  const list = [attribute(NFTA_LIST_ELEM, fields)]
  const next = last?.length === 1 && last[0] ? successor(last[0]) : undefined
  if (next) {
    const flags = attribute(NFTA_SET_ELEM_FLAGS, Buffer.from([0, 0, 0, NFT_SET_ELEM_INTERVAL_END]))
    list.push(attribute(NFTA_LIST_ELEM, [field(NFTA_SET_ELEM_KEY, [next]), flags]))
  }
  return list
}

/** The next number of the same size; undefined after the highest, where an interval ends by itself. */
function successor(bytes: Buffer): Buffer | undefined {
  const next = Buffer.from(bytes)
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = ((next[i] ?? 0) + 1) & 0xff
    if (next[i] !== 0) return next
  }
  return undefined
}

/**
 * What tells a table from another of the same name that somebody put in its place, and from itself with rules added or taken
 * out. Undefined when there is none.
 */
export function tableIdentity(socket: NetlinkSocket, table: string): string | undefined {
  const header = Buffer.from([NFPROTO_INET, 0, 0, 0])
  const what = `nftables ${table}`
  const isNamed = (fields: Map<number, Buffer>, type: number) =>
    fields.get(type)?.toString('utf8') === `${table}\0`
  const found = socket
    .dump(NFT_MSG_GETTABLE, header, what)
    .map((body) => attributesOf(body, 4))
    .find((fields) => isNamed(fields, NFTA_TABLE_NAME))
  const handle = found?.get(NFTA_TABLE_HANDLE)?.readBigUInt64BE(0)
  if (handle === undefined) return undefined
  const request = Buffer.concat([header, attribute(NFTA_RULE_TABLE, table)])
  // Older kernels list the rules of all tables.
  const rules = socket
    .dump(NFT_MSG_GETRULE, request, what)
    .filter((body) => isNamed(attributesOf(body, 4), NFTA_RULE_TABLE))
  return `${handle} ${rules.length}`
}

/** Fields of a concatenation start at multiples of four bytes. */
function concatenate(fields: readonly Buffer[]): Buffer {
  return Buffer.concat(fields.map((f) => Buffer.concat([f, Buffer.alloc(((f.length + 3) & ~3) - f.length)])))
}
