import { command } from '../command.ts'
import { bringUp } from '../compose/bring-up.ts'
import { openProject } from '../compose/open-project.ts'
import { convergeDefaults } from '../compose/up-flags.ts'
import { watchProject } from '../compose/watch-project.ts'
import { bool } from '../flags.ts'

export const composeWatch = command({
  usage: '[SERVICE...]',
  flags: {
    'no-up': bool('Do not build & start services before watching'),
    prune: bool('Prune dangling images on rebuild', { initial: true }),
    quiet: bool('hide build output'),
  },
  arguments: [0, Infinity],
  async run(context, options, services) {
    const project = await openProject(context, { services })
    if (!options['no-up'])
      await bringUp(context, services, {
        ...convergeDefaults,
        'quiet-build': options.quiet,
        'quiet-pull': options.quiet,
        'renew-anon-volumes': false,
        start: true,
      })
    const stop = new AbortController()
    const listener = () => stop.abort()
    process.once('SIGINT', listener)
    process.once('SIGTERM', listener)
    await watchProject(context, project, {
      services,
      log: (text) => context.out(`⦿ ${text}\n`),
      quiet: options.quiet,
      prune: options.prune,
      signal: stop.signal,
    })
    return 130
  },
})
