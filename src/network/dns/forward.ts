import { RCODE, rcodeOf, type Query } from './message.ts'
import type { Upstream } from './upstream.ts'

/** A client gives up after five seconds: it should be told before. Milliseconds. */
const deadline = 4000

/** What matters here of an upstream server. */
export type Server = Pick<
  Upstream,
  'silent' | 'dead' | 'patience' | 'overdue' | 'probeIsDue' | 'ask' | 'askStream'
>

interface Attempt {
  readonly server: Server
  readonly rank: number
  readonly askedAt: number
  readonly cancel: () => void
  ended: boolean
}

/**
 * Asks the upstream servers for one answer; undefined when none has one. The order of the servers is the order of preference, as in
 * resolv.conf; one that is silent is passed over until it speaks again.
 *
 * - The next server is asked when one fails (SERVFAIL and REFUSED too, as docker does) or thinks for longer than it usually does.
 * - NXDOMAIN of a less preferred server counts when no better one can contradict it: a name may exist in the first alone.
 */
export function forward(query: Query, servers: readonly Server[]): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const attempts = new Map<Server, Attempt>()
    const timers = new Set<NodeJS.Timeout>()
    const waiting = inOrder(servers)
    let negative: { reply: Buffer; rank: number } | undefined
    let settled = false

    const after = (ms: number, work: () => void): void => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        work()
      }, ms)
      timers.add(timer)
    }
    const settle = (reply: Buffer | undefined): void => {
      if (settled) return
      settled = true
      for (const timer of timers) clearTimeout(timer)
      // A server that is overdue may still answer: that is how it is known to be back. Its own timeout ends it.
      for (const attempt of attempts.values()) if (!attempt.server.silent) attempt.cancel()
      resolve(reply)
    }
    const ask = (server: Server): void => {
      if (attempts.has(server)) return
      const askedAt = performance.now()
      const cancel = server.ask(query.bytes, { end: query.end, timeout: deadline }, (reply) =>
        answered(server, reply),
      )
      attempts.set(server, { server, rank: servers.indexOf(server), askedAt, cancel, ended: false })
    }
    const askNext = (): void => {
      const server = waiting.shift()
      if (!server) return
      ask(server)
      // One that is silent is not waited for.
      if (server.silent) askNext()
      else if (waiting.length > 0) after(server.patience, () => overdue(server))
    }
    const overdue = (server: Server): void => {
      const attempt = attempts.get(server)
      if (settled || !attempt || attempt.ended) return
      server.overdue(attempt.askedAt)
      askNext()
    }
    const answered = (server: Server, reply: Buffer | undefined): void => {
      const attempt = attempts.get(server)
      if (!attempt || attempt.ended || settled) return
      attempt.ended = true
      const rcode = reply && rcodeOf(reply)
      if (reply && rcode === RCODE.nxDomain) {
        if (!negative || attempt.rank < negative.rank) negative = { reply, rank: attempt.rank }
        settleNegative()
      } else if (reply && rcode !== RCODE.servFail && rcode !== RCODE.refused) {
        settle(reply)
      } else {
        if (waiting.length > 0) askNext()
        else if (negative) settleNegative()
        else if ([...attempts.values()].every((a) => a.ended)) settle(undefined)
      }
    }
    const settleNegative = (): void => {
      if (!negative || settled) return
      const { reply, rank } = negative
      const better = servers.slice(0, rank).filter((s) => !s.dead && !attempts.get(s)?.ended)
      if (better.length === 0) return settle(reply)
      for (const server of better) ask(server)
      // Until it is dead or has spoken.
      after(100, settleNegative)
    }

    askNext()
    const probed = servers.find((server) => !attempts.has(server) && server.probeIsDue())
    if (probed) {
      // Nobody waits for it: its answer, if there is one, only tells that it is there.
      probed.ask(query.bytes, { end: query.end, timeout: deadline }, () => {})
    }
    after(deadline, () => settle(negative?.reply))
  })
}

/** One after the other: TCP says at once when nobody is there. */
export async function forwardStream(query: Query, servers: readonly Server[]): Promise<Buffer | undefined> {
  const end = performance.now() + deadline
  let negative: Buffer | undefined
  const order = inOrder(servers)
  for (const [index, server] of order.entries()) {
    // What is left is shared among those that are left.
    const timeout = (end - performance.now()) / (order.length - index)
    const reply = await server.askStream(query.bytes, { end: query.end, timeout })
    const rcode = reply && rcodeOf(reply)
    if (rcode === undefined || rcode === RCODE.servFail || rcode === RCODE.refused) continue
    if (rcode !== RCODE.nxDomain) return reply
    negative ??= reply
    if (servers.indexOf(server) === 0 || servers[0]?.dead) return reply
  }
  return negative
}

function inOrder(servers: readonly Server[]): Server[] {
  return [...servers.filter((s) => !s.silent), ...servers.filter((s) => s.silent)]
}
