/** The logs of a project while it lives: of containers that restart, and of those that come. */
import { DaemonError, type Client } from '../../client/index.ts'
import type { EventMessage } from '../../wire/system.ts'
import { label } from '../labels.ts'
import { LogFollower, type LogContainer, type LogRange } from './log-follower.ts'
import type { LogLine } from './log-lines.ts'

export interface FollowOptions {
  readonly project: string
  /** Those that are there, with whether they run. */
  readonly containers: readonly (LogContainer & { readonly running: boolean })[]
  /** How a container that begins later is shown; undefined: it is not wanted. */
  readonly nameOf: (container: { name: string; service: string; number: number }) => string | undefined
  readonly range: LogRange
  readonly signal: AbortSignal
  readonly onLine: (container: LogContainer, line: LogLine) => Promise<void> | undefined
  /** Told of logs that nobody can read. */
  readonly unreadable: (container: LogContainer, why: string) => void
}

/** Ends, as docker compose's does, when none of the containers runs any more and all they wrote is told. */
export async function followProject(client: Client, o: FollowOptions): Promise<void> {
  const ended = new AbortController()
  const signal = AbortSignal.any([o.signal, ended.signal])
  const { range, onLine, unreadable } = o
  const follower = new LogFollower({ client, signal: o.signal, range, onLine, unreadable })
  const running = new Set(o.containers.filter((each) => each.running).map(({ id }) => id))
  // Asked for before the logs are: nothing that happens between the two is missed.
  const events = client.system.events({
    since: String(Math.floor(Date.now() / 1000)),
    filters: { type: ['container'], label: [`${label.project}=${o.project}`], event: ['start', 'die'] },
    signal,
  })
  for (const each of o.containers) follower.open(each)
  if (running.size > 0) await watchEvents(events, { client, o, follower, running })
  ended.abort()
  await follower.ended()
}

/** Somebody who restarts the last container leaves none running for a moment. Milliseconds. */
const patience = 1000

async function watchEvents(
  events: AsyncGenerator<EventMessage>,
  {
    client,
    o,
    follower,
    running,
  }: { client: Client; o: FollowOptions; follower: LogFollower; running: Set<string> },
): Promise<void> {
  for (let next = events.next(); ; next = events.next()) {
    const result = running.size > 0 ? await next : await within(next, patience)
    if (!result || result.done === true) return
    const event = result.value
    const id = event.Actor.ID
    const attributes = event.Actor.Attributes ?? {}
    if (attributes[label.oneOff] === 'True') continue
    if (event.Action === 'start') {
      const name = o.nameOf({
        name: attributes['name'] ?? '',
        service: attributes[label.service] ?? '',
        number: Number(attributes[label.number] ?? 0),
      })
      if (name === undefined) continue
      running.add(id)
      follower.open({ id, name }, { fresh: true })
    } else if (running.has(id) && !(await staysUp(client, id))) running.delete(id)
  }
}

/** Undefined when it takes longer. */
async function within<T>(work: Promise<T>, milliseconds: number): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), milliseconds)
  // Whoever gave up does not want to hear of the end.
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** One that its restart policy brings back has not ended. */
async function staysUp(client: Client, id: string): Promise<boolean> {
  try {
    const { State } = await client.containers.inspect(id)
    return State.Running || State.Restarting
  } catch (error) {
    if (error instanceof DaemonError && error.kind === 'not-found') return false
    throw error
  }
}
