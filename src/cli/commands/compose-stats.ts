import { label } from '../../compose/index.ts'
import { command } from '../command.ts'
import { listFormat } from '../common-flags.ts'
import { openRunning } from '../compose/open-project.ts'
import { EngineError } from '../../lib/errors.ts'
import { bool } from '../flags.ts'
import { showStats } from './stats.ts'

export const composeStats = command({
  usage: '[OPTIONS] [SERVICE]',
  flags: {
    all: bool('Show all containers (default shows just running)', { short: 'a' }),
    format: listFormat(),
    'no-stream': bool('Disable streaming stats and only pull the first result'),
    'no-trunc': bool('Do not truncate output'),
  },
  arguments: [0, 1],
  async run(context, options, services) {
    const { name, containers } = await openRunning(context, { services, running: !options.all })
    const own = containers.filter((each) => services.includes(each.service))
    if (services.length > 0 && own.length === 0)
      throw new EngineError('not-found', `no container found for service "${services[0]}"`)
    await showStats(context, {
      names: own.map((each) => each.name),
      label: [`${label.project}=${name}`],
      all: options.all,
      format: options.format,
      stream: !options['no-stream'],
      short: !options['no-trunc'],
    })
  },
})
