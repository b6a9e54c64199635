import type { Project, Service } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { canonical, parseReference } from '../../lib/reference.ts'
import { command, type Context } from '../command.ts'
import { openProject, warnOnce } from '../compose/open-project.ts'
import { withProgress } from '../compose/progress.ts'
import { pullServices, pushServices } from '../compose/transfer-images.ts'
import { bool, string } from '../flags.ts'

export const composePull = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    'ignore-buildable': bool('Ignore images that can be built'),
    'ignore-pull-failures': bool('Pull what it can and ignores images with pull failures'),
    'include-deps': bool('Also pull services declared as dependencies'),
    'no-parallel': bool('', { hidden: true }),
    parallel: bool('', { hidden: true, initial: true }),
    policy: string('Apply pull policy ("missing"|"always")'),
    quiet: bool('Pull without printing progress information', { short: 'q' }),
  },
  arguments: [0, Infinity],
  async run(context, options, names) {
    refuseSequence(options)
    if (!['', 'missing', 'always'].includes(options.policy))
      throw new EngineError(
        'invalid',
        `invalid pull policy ${JSON.stringify(options.policy)}: missing or always`,
      )
    const project = await openProject(context, { services: names, allResources: true })
    const wanted = selected(project, names, options['include-deps'])
    const present = await imagesHere(context)
    const skip = (_: string, service: Service): string | undefined => {
      const policy = options.policy !== '' && !service.build ? options.policy : service.pull_policy
      if (policy === 'never' || policy === 'build') return ''
      if (policy === 'missing' && present.has(canonical(parseReference(service.image))))
        return 'Image is already present locally'
      return service.build && options['ignore-buildable'] ? 'Image can be built' : undefined
    }
    const { mustBuild } = await withProgress(context, { title: 'Pulling', quiet: options.quiet }, (report) =>
      pullServices(context, project, wanted, {
        report,
        skip,
        quiet: options.quiet,
        ignoreFailures: options['ignore-pull-failures'],
      }),
    )
    if (mustBuild.length > 0)
      warnOnce(context)(
        `Some service image(s) must be built from source by running:\n    gantry compose build ${mustBuild.join(' ')}`,
      )
  },
})

export const composePush = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    'ignore-push-failures': bool('Push what it can and ignores images with push failures'),
    'include-deps': bool('Also push images of services declared as dependencies'),
    quiet: bool('Push without printing progress information', { short: 'q' }),
  },
  arguments: [0, Infinity],
  async run(context, options, names) {
    const project = await openProject(context, { services: names, allResources: true })
    const wanted = selected(project, names, options['include-deps'])
    await withProgress(context, { title: 'Pushing', quiet: options.quiet }, (report) =>
      pushServices(context, project, wanted, {
        report,
        quiet: options.quiet,
        ignoreFailures: options['ignore-push-failures'],
      }),
    )
  },
})

function refuseSequence(options: { 'no-parallel': boolean; parallel: boolean }): void {
  if (options['no-parallel'] || !options.parallel)
    throw new EngineError('unsupported', '--no-parallel: use --parallel 1 before the command')
}

/** Dependencies have come along with the selection. */
function selected(project: Project, names: readonly string[], deps: boolean): readonly string[] {
  return names.length > 0 && !deps ? names : [...project.services.keys()]
}

async function imagesHere(context: Context): Promise<ReadonlySet<string>> {
  const images = await context.client.images.list()
  const names = images
    .flatMap(({ RepoTags, RepoDigests }) => [...(RepoTags ?? []), ...(RepoDigests ?? [])])
    .filter((name) => !name.includes('<none>'))
  return new Set(names.map((name) => canonical(parseReference(name))))
}
