import type { EventMessage } from '../../wire/system.ts'
import { command, ExitError } from '../command.ts'
import { filter, inspectFormat } from '../common-flags.ts'
import { string } from '../flags.ts'
import { readFilters } from '../format.ts'
import { parseTimestamp, rfc3339 } from '../time.ts'

export const events = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    filter: filter('Filter output based on conditions provided', 'f'),
    format: { ...inspectFormat(), short: undefined },
    since: string('Show all events created since timestamp'),
    until: string('Stream events until this timestamp'),
  },
  async run(context, flags) {
    const print = await printer(flags.format)
    const stream = context.client.system.events({
      since: flags.since === '' ? undefined : parseTimestamp(flags.since),
      until: flags.until === '' ? undefined : parseTimestamp(flags.until),
      filters: readFilters(flags.filter),
    })
    for await (const event of stream) context.out(`${print(event)}\n`)
  },
})

async function printer(format: string): Promise<(event: EventMessage) => string> {
  if (format === '') return describe
  if (format === 'json') return (event) => JSON.stringify(event)
  const { asMap, Template, TemplateError } = await import('../../lib/go-template.ts')
  let template: ReturnType<typeof Template.parse>
  try {
    template = Template.parse(format)
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(64, `Error parsing format: ${error.message}`)
    throw error
  }
  return (event) => {
    asMap(event.Actor.Attributes)
    // Go's names of these fields differ from the JSON's.
    const data = {
      ...event,
      Status: event.status ?? event.Action,
      ID: event.id ?? event.Actor.ID,
      From: event.from ?? '',
      Scope: event.scope,
      Time: event.time,
      TimeNano: event.timeNano,
    }
    return template.execute(data, { typeName: '*events.Message' })
  }
}

/** `2024-01-02T15:04:05.000000000Z container start 3f2a… (image=busybox, name=web)`. */
function describe(event: EventMessage): string {
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
  const nanoseconds = Number(BigInt(String(event.timeNano)) % 1_000_000_000n)
  const suffix = attributes.length > 0 ? ` (${attributes.join(', ')})` : ''
  return `${rfc3339(event.time, nanoseconds)} ${event.Type} ${event.Action} ${event.Actor.ID}${suffix}`
}
