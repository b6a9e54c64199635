/** `compose start`, `stop`, `restart`, `kill`, `pause`, `unpause`: containers that are there, along their dependencies. */
import {
  alongGraph,
  closure,
  dependentsOf,
  graphOfContainers,
  isOrphan,
  reported,
  restartContainer,
  startServices,
  stopAndRemove,
  stopContainer,
  within,
  type ObservedContainer,
  type Report,
  type ServiceGraph,
  type Startable,
} from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command, type Context } from '../command.ts'
import { withDeadline, workOf } from '../compose/converge.ts'
import { openRunning, type RunningProject } from '../compose/open-project.ts'
import { withProgress } from '../compose/progress.ts'
import { bool, int, string } from '../flags.ts'

const services: [number, number] = [0, Infinity]
const timeoutFlag = () => int('Specify a shutdown timeout in seconds', { short: 't' })

/** Those of the named services; all when none is named. */
function meant({ containers }: RunningProject, names: readonly string[]): ObservedContainer[] {
  return containers.filter(({ service }) => names.length === 0 || names.includes(service))
}

/** The graph, and those with containers that the files do not know any more. */
function wholeGraph({ graph, containers }: RunningProject): ServiceGraph {
  return new Map([...graphOfContainers(containers), ...graph])
}

export const composeStart = command({
  usage: '[SERVICE...]',
  flags: {
    wait: bool('Wait for services to be running|healthy. Implies detached mode.'),
    'wait-timeout': int('Maximum duration in seconds to wait for the project to be running|healthy'),
  },
  arguments: services,
  run: async (context, options, names) => {
    const running = await openRunning(context, { services: names })
    const { project, graph, containers } = running
    const chosen = names.length === 0 ? new Set(graph.keys()) : closure(graph, names)
    for (const name of chosen) {
      const scale = project?.services.get(name)?.scale
      if (scale !== 0 && !containers.some(({ service }) => service === name))
        throw new EngineError('not-found', `service ${JSON.stringify(name)} has no container to start`)
    }
    await withDeadline(options['wait-timeout'], (signal) =>
      withProgress(context, { title: 'Running' }, (report) =>
        startServices(workOf(context, report, signal && { signal }), within(graph, chosen), {
          project,
          wait: options.wait,
          services: new Map(Array.from(chosen, (name) => [name, startable(running, name)])),
        }),
      ),
    )
  },
})

function startable({ containers }: RunningProject, service: string): Startable[] {
  return containers
    .filter((each) => each.service === service)
    .map(({ id, name, state }) => ({ id, name, running: state === 'running' }))
}

export const composeStop = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: { timeout: timeoutFlag() },
  arguments: services,
  run: async (context, options, names, given) => {
    const running = await openRunning(context, { services: names, oneOff: 'include' })
    const containers = meant(running, names)
    await withProgress(context, { title: 'Stopping' }, async (report) => {
      const work = workOf(context, report, { timeout: given.has('timeout') ? options.timeout : undefined })
      const visit = (container: ObservedContainer) => stopContainer(work, container, running.project)
      await eachAlong(wholeGraph(running), { containers, reverse: true, visit })
    })
  },
})

export const composeRestart = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: { 'no-deps': bool("Don't restart dependent services"), timeout: timeoutFlag() },
  arguments: services,
  run: async (context, options, names, given) => {
    const running = await openRunning(context, { services: names })
    const graph = wholeGraph(running)
    const chosen =
      names.length === 0
        ? new Set(graph.keys())
        : options['no-deps']
          ? new Set(names)
          : closure(restartedWith(graph), names)
    const containers = running.containers.filter(({ service }) => chosen.has(service))
    const timeout = given.has('timeout') ? options.timeout : undefined
    await withProgress(context, { title: 'Restarting' }, async (report) => {
      const work = workOf(context, report, { timeout })
      const visit = (container: ObservedContainer) => restartContainer(work, container)
      await eachAlong(within(graph, chosen), { containers, visit })
    })
  },
})

/** Service to those that want to be restarted with it. */
function restartedWith(graph: ServiceGraph): ServiceGraph {
  const dependents = dependentsOf(graph)
  return new Map(
    Array.from(graph.keys(), (name) => [
      name,
      new Map([...(dependents.get(name) ?? [])].filter(([, { restart }]) => restart)),
    ]),
  )
}

export const composeKill = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    'remove-orphans': bool('Remove containers for services not defined in the Compose file'),
    signal: string('SIGNAL to send to the container', { short: 's', initial: 'SIGKILL' }),
  },
  arguments: services,
  run: async (context, options, names) => {
    const running = await openRunning(context, { services: names, oneOff: 'include' })
    const { project } = running
    const orphans =
      options['remove-orphans'] && project
        ? running.containers.filter((container) => isOrphan(project, container))
        : []
    const alive = meant(running, names).filter(({ state }) => isAlive(state))
    if (alive.length === 0 && orphans.length === 0) {
      context.err(`no container to kill${names.length > 0 ? ` for ${names.join(', ')}` : ''}\n`)
      return
    }
    await withProgress(context, { title: 'Killing' }, async (report) => {
      const work = workOf(context, report)
      const kill = ({ id, name }: ObservedContainer) =>
        reported(report, { id: `Container ${name}`, working: 'Killing', done: 'Killed' }, () =>
          work.limit.run(async () => void (await context.client.containers.kill(id, options.signal))),
        )
      await Promise.all([
        ...alive.filter((container) => !orphans.includes(container)).map(kill),
        ...orphans.map((container) => stopAndRemove(work, container, { project })),
      ])
    })
  },
})

export const composePause = command({
  usage: '[SERVICE...]',
  flags: {},
  arguments: services,
  run: (context, _, names) =>
    changePause(context, names, {
      state: 'running',
      done: 'Paused',
      call: (id) => context.client.containers.pause(id),
    }),
})

export const composeUnpause = command({
  usage: '[SERVICE...]',
  flags: {},
  arguments: services,
  run: (context, _, names) =>
    changePause(context, names, {
      state: 'paused',
      done: 'Unpaused',
      call: (id) => context.client.containers.unpause(id),
    }),
})

async function changePause(
  context: Context,
  names: readonly string[],
  o: { state: string; done: string; call: (id: string) => Promise<unknown> },
): Promise<void> {
  const running = await openRunning(context, { services: names, running: true })
  await withProgress(context, { title: 'Running' }, async (report: Report) => {
    const { limit } = workOf(context, report)
    await Promise.all(
      meant(running, names)
        .filter(({ state }) => state === o.state)
        .map(async ({ id, name }) => {
          await limit.run(() => o.call(id))
          report({ id: `Container ${name}`, status: 'done', text: o.done })
        }),
    )
  })
}

function isAlive(state: string): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting'
}

/** Containers of one service at once, services along the graph. */
async function eachAlong(
  graph: ServiceGraph,
  o: {
    readonly containers: readonly ObservedContainer[]
    readonly reverse?: boolean
    readonly visit: (container: ObservedContainer) => Promise<void>
  },
): Promise<void> {
  await alongGraph(
    graph,
    async (name) => {
      await Promise.all(o.containers.filter(({ service }) => service === name).map(o.visit))
    },
    { reverse: o.reverse ?? false },
  )
}
