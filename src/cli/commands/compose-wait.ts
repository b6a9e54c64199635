import { observe, takeDown } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command } from '../command.ts'
import { workOf } from '../compose/converge.ts'
import { openRunning } from '../compose/open-project.ts'
import { withProgress } from '../compose/progress.ts'
import { bool } from '../flags.ts'

export const composeWait = command({
  usage: 'SERVICE [SERVICE...] [OPTIONS]',
  flags: { 'down-project': bool('Drops project when the first container stops') },
  arguments: [1, Infinity],
  run: async (context, options, services) => {
    const { name, project, graph, containers } = await openRunning(context, { services })
    const meant = containers.filter(
      ({ service, state }) =>
        services.includes(service) && ['running', 'paused', 'restarting'].includes(state),
    )
    if (meant.length === 0)
      throw new EngineError('not-found', `no containers for project ${JSON.stringify(name)}`)
    const ends = meant.map(async (container) => {
      const { result } = await context.client.containers.wait(container.id)
      const { StatusCode: code } = await result
      context.out(`container ${JSON.stringify(container.id)} exited with status code ${code}\n`)
      return code
    })
    if (!options['down-project']) return (await Promise.all(ends)).find((code) => code !== 0) ?? 0
    const code = await Promise.race(ends)
    await withProgress(context, { title: 'Running' }, async (report) => {
      const observed = await observe(context.client, name)
      await takeDown(workOf(context, report), {
        project,
        graph,
        observed,
        services: [],
        volumes: false,
        removeOrphans: true,
        images: 'none',
      })
    })
    // The others were told to end: how is no matter.
    await Promise.allSettled(ends)
    return code
  },
})
