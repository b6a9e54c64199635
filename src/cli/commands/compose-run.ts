import { DaemonError } from '../../client/index.ts'
import {
  apply,
  createContainer,
  dependencyReady,
  graphOfServices,
  label,
  runHooks,
  sharedContainer,
  waitFor,
  type Made,
  type Project,
  type Service,
  type Startable,
  type Work,
  containerName,
} from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command, type Context } from '../command.ts'
import { confirmVolume } from '../compose/confirm-volume.ts'
import { convergence, only, workOf } from '../compose/converge.ts'
import { ensureImages } from '../compose/images.ts'
import { oneOffService } from '../compose/one-off.ts'
import { openProject } from '../compose/open-project.ts'
import { openProgress } from '../compose/progress.ts'
import { bool, list, string, type Values } from '../flags.ts'
import { followContainer } from './attach.ts'

const { randomBytes } = process.getBuiltinModule('node:crypto')
const { setTimeout: sleep } = process.getBuiltinModule('node:timers/promises')

const flags = {
  build: bool('Build image before starting container'),
  'cap-add': list('Add Linux capabilities'),
  'cap-drop': list('Drop Linux capabilities'),
  detach: bool('Run container in background and print container ID', { short: 'd' }),
  entrypoint: string('Override the entrypoint of the image'),
  env: list('Set environment variables', { short: 'e', kind: 'stringArray' }),
  'env-from-file': list('Set environment variables from file', { kind: 'stringArray' }),
  interactive: bool('Keep STDIN open even if not attached', { short: 'i', initial: true }),
  label: list('Add or override a label', { short: 'l', kind: 'stringArray' }),
  name: string('Assign a name to the container'),
  'no-TTY': bool('Disable pseudo-TTY allocation. By default a TTY is allocated on a terminal', {
    short: 'T',
  }),
  'no-deps': bool("Don't start linked services"),
  publish: list("Publish a container's port(s) to the host", { short: 'p', kind: 'stringArray' }),
  pull: string('Pull image before running ("always"|"missing"|"never")', { initial: 'policy' }),
  quiet: bool("Don't print anything to STDOUT", { short: 'q' }),
  'quiet-build': bool('Suppress progress output from the build process'),
  'quiet-pull': bool('Pull without printing progress information'),
  'remove-orphans': bool('Remove containers for services not defined in the Compose file'),
  rm: bool('Automatically remove the container when it exits'),
  'service-ports': bool("Run command with all service's ports enabled and mapped to the host", {
    short: 'P',
  }),
  tty: bool('Allocate a pseudo-TTY', { short: 't', hidden: true }),
  'use-aliases': bool("Use the service's network useAliases in the network(s) the container connects to"),
  user: string('Run as specified username or uid', { short: 'u' }),
  volume: list('Bind mount a volume', { short: 'v', kind: 'stringArray' }),
  workdir: string('Working directory inside the container', { short: 'w' }),
}

type Flags = Values<typeof flags>

export const composeRun = command({
  usage: '[OPTIONS] SERVICE [COMMAND] [ARGS...]',
  flags,
  arguments: [1, Infinity],
  interspersed: false,
  async run(context, options, [name = '', ...words], given) {
    if (!['always', 'missing', 'never', 'policy', 'build'].includes(options.pull))
      throw new EngineError('invalid', `invalid --pull option ${JSON.stringify(options.pull)}`)
    const whole = await openProject(context, { services: [name], envResolution: true })
    const project = options['no-deps'] ? only(whole, [name]) : whole
    const found = project.services.get(name)
    if (!found) throw new EngineError('not-found', `no such service: ${name}`)
    const tty = given.has('no-TTY')
      ? !options['no-TTY']
      : options.tty || (!options.detach && process.stdout.isTTY)
    const service = oneOffService(project, found, {
      command: words,
      entrypoint: given.has('entrypoint') ? options.entrypoint : undefined,
      env: options.env,
      envFiles: options['env-from-file'],
      labels: options.label,
      capAdd: options['cap-add'],
      capDrop: options['cap-drop'],
      user: options.user,
      workdir: options.workdir,
      volumes: options.volume,
      publish: options.publish,
      servicePorts: options['service-ports'],
      tty,
      interactive: options.interactive,
      name: options.name,
    })
    const made = await prepare(context, project, { name, service, options })
    const hooks = { container: made, hooks: service.post_start, when: 'post_start' } as const
    const work = workOf(context, () => {})
    const start = async () => {
      await context.client.containers.start(made.id)
      try {
        await runHooks(work, hooks)
      } catch (error) {
        // A command that ends at once leaves nothing to run a hook in: it is the command's end that counts.
        if (await runsOn(context, made.id)) throw error
        context.err(`WARN ${made.name} ended before its post_start hooks did\n`)
      }
    }
    if (options.detach) {
      await start()
      if (!options.quiet) context.out(`${made.id}\n`)
      return 0
    }
    return await followContainer(context, await context.client.containers.inspect(made.id), {
      stdin: options.interactive,
      proxy: !tty,
      detachKeys: '',
      condition: options.rm ? 'removed' : 'next-exit',
      start,
    })
  },
})

/** Its state says that it has ended a moment after its process has gone; so long a hook that failed is not blamed. Milliseconds. */
const endKnownWithin = 1000

async function runsOn(context: Context, id: string): Promise<boolean> {
  for (const deadline = Date.now() + endKnownWithin; Date.now() < deadline; await sleep(50))
    if (!(await isRunning(context, id))) return false
  return true
}

async function isRunning({ client }: Context, id: string): Promise<boolean> {
  try {
    return (await client.containers.inspect(id)).State.Running
  } catch (error) {
    if (error instanceof DaemonError && error.status === 404) return false
    throw error
  }
}

interface OneOff {
  readonly name: string
  readonly service: Service
  readonly options: Flags
}

/** Images, networks, volumes and the services that it depends on; then its container, not yet started. */
async function prepare(context: Context, project: Project, one: OneOff): Promise<Made> {
  const { options } = one
  using progress = await openProgress(context, { title: 'Creating', quiet: options.quiet })
  const { report } = progress
  const images = await ensureImages(context, project, {
    report,
    build: options.build,
    pull: options.pull === 'policy' ? '' : options.pull,
    quietPull: options['quiet-pull'] || options.quiet,
    quietBuild: options['quiet-build'] || options.quiet,
  })
  const wanted = await convergence(context, project, {
    named: [],
    recreate: 'diverged',
    recreateDependencies: 'diverged',
    removeOrphans: options['remove-orphans'],
    start: true,
    images,
    mayReplace: confirmVolume(progress, { yes: false }),
  })
  // Its replicas are left as they are.
  const services = new Map([...wanted.plan.services].filter(([each]) => each !== one.name))
  const work = workOf(context, report)
  const containers = await apply(work, { ...wanted.plan, services }, { ...wanted, inherit: true })
  await dependenciesReady(work, { project, name: one.name, containers })
  const find = (other: string) =>
    containers.get(other)?.[0]?.id ?? sharedContainer(wanted.observed, other)?.id
  return await create(work, { ...one, project, image: images.get(one.name), find })
}

async function dependenciesReady(
  work: Work,
  o: { project: Project; name: string; containers: ReadonlyMap<string, readonly Startable[]> },
): Promise<void> {
  const dependencies = graphOfServices(o.project.services).get(o.name) ?? new Map()
  const { client, report } = work
  for (const [other, dependency] of dependencies)
    if (o.project.services.has(other))
      await dependencyReady(work, {
        name: other,
        dependency,
        ready: async (service, condition) => {
          const all = o.containers.get(service) ?? []
          await Promise.all(all.map((each) => waitFor(each, { client, report, condition })))
        },
      })
}

function create(
  work: Work,
  o: OneOff & {
    project: Project
    image: string | undefined
    find: (service: string) => string | undefined
  },
): Promise<Made> {
  const { project, name, service, options, image } = o
  const slug = randomBytes(32).toString('hex')
  // Docker compose: its command speaks for it.
  return createContainer(
    { ...work, report: () => {} },
    {
      project,
      name,
      service,
      number: 1,
      oneOff: true,
      image,
      find: (other) => {
        const found = o.find(other)
        if (found !== undefined) return found
        throw new EngineError(
          'conflict',
          `service "${name}" shares with service "${other}", which has no container`,
        )
      },
      labels: { [label.slug]: slug },
      attachStdin: options.interactive && !options.detach,
      autoRemove: options.rm,
      serviceAliases: options['use-aliases'],
      containerName: containerName(project, { name, service, number: ['run', slug.slice(0, 12)] }),
    },
  )
}
