/** Compose's part of the command table. */
import type { Command } from './command.ts'
import type { Entry } from './table.ts'

function one(name: string, about: string, load: () => Promise<Command>): Entry {
  return named([name], about, load)
}

function named(names: readonly string[], about: string, load: () => Promise<Command>): Entry {
  return {
    names: names.map((name) => `compose ${name}`),
    about,
    load: async () => {
      const [{ dryRunnable }, definition] = await Promise.all([import('./compose/dry-runnable.ts'), load()])
      return dryRunnable(definition)
    },
  }
}

const transfer = () => import('./commands/compose-pull.ts')

const lifecycle = () => import('./commands/compose-lifecycle.ts')

export const composeEntries: readonly Entry[] = [
  {
    names: ['compose'],
    about: 'Define and run multi-container applications',
    load: async () => (await import('./commands/compose.ts')).compose,
  },
  one(
    'attach',
    "Attach local standard input, output, and error streams to a service's running container",
    async () => (await import('./commands/compose-attach.ts')).composeAttach,
  ),
  one(
    'cp',
    'Copy files/folders between a service container and the local filesystem',
    async () => (await import('./commands/compose-cp.ts')).composeCp,
  ),
  one(
    'events',
    'Receive real time events from containers',
    async () => (await import('./commands/compose-events.ts')).composeEvents,
  ),
  one(
    'images',
    'List images used by the created containers',
    async () => (await import('./commands/compose-images.ts')).composeImages,
  ),
  one(
    'port',
    'Print the public port for a port binding',
    async () => (await import('./commands/compose-port.ts')).composePort,
  ),
  one(
    'top',
    'Display the running processes',
    async () => (await import('./commands/compose-top.ts')).composeTop,
  ),
  one('volumes', 'List volumes', async () => (await import('./commands/compose-volumes.ts')).composeVolumes),
  one(
    'run',
    'Run a one-off command on a service',
    async () => (await import('./commands/compose-run.ts')).composeRun,
  ),
  one(
    'watch',
    'Watch build context for service and rebuild/refresh containers when files are updated',
    async () => (await import('./commands/compose-watch.ts')).composeWatch,
  ),
  one(
    'commit',
    "Create a new image from a service container's changes",
    async () => (await import('./commands/compose-export.ts')).composeCommit,
  ),
  one(
    'export',
    "Export a service container's filesystem as a tar archive",
    async () => (await import('./commands/compose-export.ts')).composeExport,
  ),
  one(
    'stats',
    'Display a live stream of container(s) resource usage statistics',
    async () => (await import('./commands/compose-stats.ts')).composeStats,
  ),
  one(
    'build',
    'Build or rebuild services',
    async () => (await import('./commands/compose-build.ts')).composeBuild,
  ),
  named(
    ['config', 'convert'],
    'Parse, resolve and render compose file in canonical format',
    async () => (await import('./commands/compose-config.ts')).composeConfig,
  ),
  one(
    'down',
    'Stop and remove containers, networks',
    async () => (await import('./commands/compose-down.ts')).composeDown,
  ),
  one('up', 'Create and start containers', async () => (await import('./commands/compose-up.ts')).composeUp),
  one(
    'create',
    'Creates containers for a service',
    async () => (await import('./commands/compose-create.ts')).composeCreate,
  ),
  one('kill', 'Force stop service containers', async () => (await lifecycle()).composeKill),
  one(
    'ls',
    'List running compose projects',
    async () => (await import('./commands/compose-ls.ts')).composeLs,
  ),
  one('pause', 'Pause services', async () => (await lifecycle()).composePause),
  one(
    'plan',
    'Show what up would do, and why',
    async () => (await import('./commands/compose-plan.ts')).composePlan,
  ),
  one('ps', 'List containers', async () => (await import('./commands/compose-ps.ts')).composePs),
  one('restart', 'Restart service containers', async () => (await lifecycle()).composeRestart),
  one(
    'rm',
    'Removes stopped service containers',
    async () => (await import('./commands/compose-rm.ts')).composeRm,
  ),
  one('scale', 'Scale services', async () => (await import('./commands/compose-scale.ts')).composeScale),
  one('start', 'Start services', async () => (await lifecycle()).composeStart),
  one('stop', 'Stop services', async () => (await lifecycle()).composeStop),
  one('unpause', 'Unpause services', async () => (await lifecycle()).composeUnpause),
  one(
    'wait',
    'Block until containers of all (or specified) services stop.',
    async () => (await import('./commands/compose-wait.ts')).composeWait,
  ),
  one(
    'exec',
    'Execute a command in a running container',
    async () => (await import('./commands/compose-exec.ts')).composeExec,
  ),
  one(
    'env',
    'Show where each variable of a service comes from',
    async () => (await import('./commands/compose-env.ts')).composeEnv,
  ),
  one(
    'graph',
    'Draw services, networks, volumes and ports',
    async () => (await import('./commands/compose-graph.ts')).composeGraph,
  ),
  one(
    'kube',
    'Write manifests for Kubernetes',
    async () => (await import('./commands/compose-kube.ts')).composeKube,
  ),
  one(
    'logs',
    'View output from containers',
    async () => (await import('./commands/compose-logs.ts')).composeLogs,
  ),
  one(
    'publish',
    'Publish compose application',
    async () => (await import('./commands/compose-publish.ts')).composePublish,
  ),
  one('pull', 'Pull service images', async () => (await transfer()).composePull),
  one('push', 'Push service images', async () => (await transfer()).composePush),
  one(
    'version',
    'Show the Compose version information',
    async () => (await import('./commands/compose-version.ts')).composeVersion,
  ),
  {
    names: ['compose bridge'],
    about: 'Convert compose files into another model',
    missing: 'transformers are images of Docker Desktop; see compose kube',
  },
]
