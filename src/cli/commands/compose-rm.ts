import { removeContainer, stopContainer } from '../../compose/index.ts'
import { command } from '../command.ts'
import { workOf } from '../compose/converge.ts'
import { openRunning } from '../compose/open-project.ts'
import { withProgress } from '../compose/progress.ts'
import { bool } from '../flags.ts'
import { confirm } from '../text.ts'

export const composeRm = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    force: bool("Don't ask to confirm removal", { short: 'f' }),
    stop: bool('Stop the containers, if required, before removing', { short: 's' }),
    volumes: bool('Remove any anonymous volumes attached to containers', { short: 'v' }),
  },
  arguments: [0, Infinity],
  run: async (context, options, services) => {
    const { containers, project } = await openRunning(context, { services })
    const meant = containers.filter(
      ({ service, state }) =>
        (services.length === 0 || services.includes(service)) &&
        (options.stop || ['created', 'exited', 'dead'].includes(state)),
    )
    if (meant.length === 0) {
      context.err('No stopped containers\n')
      return
    }
    context.out(`Going to remove ${meant.map(({ name }) => name).join(', ')}\n`)
    if (!options.force && !(await confirm('Are you sure?'))) return
    await withProgress(context, { title: 'Removing' }, async (report) => {
      const work = workOf(context, report)
      await Promise.all(
        meant.map(async (container) => {
          if (options.stop) await stopContainer(work, container, project)
          await removeContainer(work, container, { volumes: options.volumes })
        }),
      )
    })
  },
})
