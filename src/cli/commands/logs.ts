import { messageOf } from '../../lib/errors.ts'
import { command, ExitError } from '../command.ts'
import { bool, string } from '../flags.ts'
import { OutputQueue } from '../output-queue.ts'
import { copyOutput } from '../streams.ts'
import { parseTimestamp } from '../time.ts'

export const logs = command({
  usage: '[OPTIONS] CONTAINER',
  arguments: [1, 1],
  flags: {
    details: bool('Show extra details provided to logs'),
    follow: bool('Follow log output', { short: 'f' }),
    since: string(
      'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    ),
    tail: string('Number of lines to show from the end of the logs', { short: 'n', initial: 'all' }),
    timestamps: bool('Show timestamps', { short: 't' }),
    until: string(
      'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    ),
  },
  async run(context, flags, [name = '']) {
    const { raw, stream } = await context.client.containers.logs(name, {
      follow: flags.follow,
      timestamps: flags.timestamps,
      details: flags.details,
      tail: flags.tail,
      since: moment('since', flags.since),
      until: moment('until', flags.until),
    })
    const queue = new OutputQueue()
    await copyOutput(stream, queue, { raw })
    await queue.flushed()
  },
})

function moment(flag: string, text: string): string | undefined {
  try {
    return text === '' ? undefined : parseTimestamp(text)
  } catch (error) {
    throw new ExitError(1, `invalid value for ${JSON.stringify(flag)}: ${messageOf(error)}`)
  }
}
