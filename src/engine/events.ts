import { Broadcast } from '../lib/broadcast.ts'
import type { Emit, EventMessage } from '../wire/system.ts'

/** Docker keeps 256; scripts that ask with --since want more. */
const kept = 4096

/** What happened, newest last: the recent past in memory, and everything from now on for subscribers. */
export class EventLog {
  readonly #recent: EventMessage[] = []
  readonly #live = new Broadcast<EventMessage>()
  #lastNano = 0n

  readonly emit: Emit = (event) => {
    const timeNano = this.#now()
    // In docker's order, in which people read them.
    const attributes = Object.fromEntries(
      Object.entries(event.attributes ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
    const message: EventMessage = {
      ...(event.type === 'container' || event.type === 'image' ? { status: event.action, id: event.id } : {}),
      ...(event.type === 'container' && attributes['image'] !== undefined
        ? { from: attributes['image'] }
        : {}),
      Type: event.type,
      Action: event.action,
      Actor: { ID: event.id, Attributes: attributes },
      scope: 'local',
      time: Number(timeNano / 1_000_000_000n),
      // Docker sends it as a JSON number; above 2^53 its last digits are lost here as in every JavaScript client.
      timeNano: Number(timeNano),
    }
    this.#recent.push(message)
    if (this.#recent.length > kept) this.#recent.shift()
    this.#live.publish(message)
  }

  /** How many subscribers there are now. */
  get listeners(): number {
    return this.#live.size
  }

  /** Kept events in a span of Unix seconds, both ends included. */
  history(o: { since: number; until: number }): EventMessage[] {
    return this.#recent.filter((event) => event.timeNano >= o.since * 1e9 && event.timeNano <= o.until * 1e9)
  }

  /** Events from the moment of the call until the signal aborts. */
  subscribe(signal: AbortSignal): AsyncIterable<EventMessage> {
    return this.#live.subscribe(signal)
  }

  /** Strictly increasing, so that no two events have one time. */
  #now(): bigint {
    const now = BigInt(Date.now()) * 1_000_000n
    this.#lastNano = now > this.#lastNano ? now : this.#lastNano + 1n
    return this.#lastNano
  }
}
