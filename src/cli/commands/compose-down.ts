import { observe, takeDown } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command } from '../command.ts'
import { workOf } from '../compose/converge.ts'
import { graphOf, projectOrName } from '../compose/open-project.ts'
import { withProgress } from '../compose/progress.ts'
import { bool, int, string } from '../flags.ts'

export const composeDown = command({
  usage: '[OPTIONS] [SERVICES]',
  flags: {
    'remove-orphans': bool('Remove containers for services not defined in the Compose file'),
    rmi: string(
      'Remove images used by services. "local" remove only images that don\'t have a custom tag ("local"|"all")',
    ),
    timeout: int('Specify a shutdown timeout in seconds', { short: 't' }),
    volumes: bool(
      'Remove named volumes declared in the "volumes" section of the Compose file and anonymous volumes attached to containers',
      { short: 'v' },
    ),
  },
  arguments: [0, Infinity],
  run: async (context, options, services, given) => {
    const images = options.rmi === '' ? 'none' : options.rmi
    if (images !== 'none' && images !== 'local' && images !== 'all')
      throw new EngineError('invalid', `invalid value for --rmi: ${JSON.stringify(options.rmi)}`)
    const { name, project } = await projectOrName(context, services)
    const observed = await observe(context.client, name)
    for (const service of services)
      if (
        !graphOf(project, observed.containers).has(service) &&
        !observed.containers.some((each) => each.service === service)
      )
        throw new EngineError('not-found', `no such service: ${service}`)
    await withProgress(context, { title: 'Running' }, async (report) => {
      const work = workOf(context, report, { timeout: given.has('timeout') ? options.timeout : undefined })
      const found = await takeDown(work, {
        project,
        graph: graphOf(project, observed.containers),
        observed,
        services,
        volumes: options.volumes,
        removeOrphans: options['remove-orphans'],
        images,
      })
      if (!found) context.err(`Warning: No resource found to remove for project "${name}".\n`)
    })
  },
})
