import { label } from '../../compose/index.ts'
import type { EventMessage } from '../../wire/system.ts'
import { command } from '../command.ts'
import { openRunning } from '../compose/open-project.ts'
import { bool, string } from '../flags.ts'
import { parseTimestamp, rfc3339 } from '../time.ts'

export const composeEvents = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    json: bool('Output events as a stream of json objects'),
    since: string('Show all events created since timestamp'),
    until: string('Stream events until this timestamp'),
  },
  arguments: [0, Infinity],
  async run(context, options, services) {
    const { name } = await openRunning(context, { services })
    const events = context.client.system.events({
      since: options.since === '' ? undefined : parseTimestamp(options.since),
      until: options.until === '' ? undefined : parseTimestamp(options.until),
      filters: { type: ['container'], label: [`${label.project}=${name}`] },
    })
    for await (const event of events) {
      const attributes = event.Actor.Attributes ?? {}
      const service = attributes[label.service] ?? ''
      // Docker compose: what happens to containers of `run` is no news of the service.
      if (attributes[label.oneOff] === 'True' || service === '') continue
      if (services.length > 0 && !services.includes(service)) continue
      context.out(`${options.json ? jsonLine(event, service) : textLine(event)}\n`)
    }
  },
})

/** Labels of compose are what it was found by, no news. */
function attributesOf({ Actor }: EventMessage): readonly (readonly [string, string])[] {
  return Object.entries(Actor.Attributes ?? {})
    .filter(([key]) => !key.startsWith('com.docker.compose.') && !key.startsWith('dev.gantry.compose.'))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** `2024-01-02 03:04:05.000006 container start 3f2a… (image=busybox, name=demo-web-1)`, in local time. */
function textLine(event: EventMessage): string {
  const time = localTime(event).slice(0, 26).replace('T', ' ')
  const attributes = attributesOf(event).map(([key, value]) => `${key}=${value}`)
  return `${time} container ${event.Action} ${event.Actor.ID} (${attributes.join(', ')})`
}

function jsonLine(event: EventMessage, service: string): string {
  return JSON.stringify({
    action: event.Action,
    attributes: Object.fromEntries(attributesOf(event)),
    id: event.Actor.ID,
    service,
    time: localTime(event),
    type: 'container',
  })
}

function localTime({ time, timeNano }: EventMessage): string {
  return rfc3339(time, Number(BigInt(String(timeNano)) % 1_000_000_000n))
}
