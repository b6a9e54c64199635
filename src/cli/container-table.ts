/** Commands for containers. */
import type { Command } from './command.ts'
import type { Entry } from './table.ts'

const lifecycle = () => import('./commands/lifecycle.ts')
const containerImage = () => import('./commands/container-image.ts')
const prune = () => import('./commands/prune.ts')
const inspect = () => import('./commands/inspect.ts')

/** `container X` and `X` are one command. */
function container(name: string, about: string, load: () => Promise<Command>, ...more: string[]): Entry {
  return { names: [`container ${name}`, ...more, name], about, load }
}

export const containerEntries: readonly Entry[] = [
  container(
    'run',
    'Create and run a new container from an image',
    async () => (await import('./commands/run.ts')).run,
  ),
  container('create', 'Create a new container', async () => (await import('./commands/run.ts')).create),
  container(
    'exec',
    'Execute a command in a running container',
    async () => (await import('./commands/exec.ts')).exec,
  ),
  {
    names: ['container ls', 'container list', 'container ps', 'ps'],
    about: 'List containers',
    load: async () => (await import('./commands/ps.ts')).ps,
  },
  container(
    'attach',
    'Attach local standard input, output, and error streams to a running container',
    async () => (await import('./commands/attach.ts')).attach,
  ),
  container(
    'start',
    'Start one or more stopped containers',
    async () => (await import('./commands/attach.ts')).start,
  ),
  container('logs', 'Fetch the logs of a container', async () => (await import('./commands/logs.ts')).logs),
  container('stop', 'Stop one or more running containers', async () => (await lifecycle()).stop),
  container(
    'why',
    'Say why a container ended, with the last lines of its log',
    async () => (await import('./commands/why.ts')).why,
  ),
  container('restart', 'Restart one or more containers', async () => (await lifecycle()).restart),
  container('kill', 'Kill one or more running containers', async () => (await lifecycle()).kill),
  container(
    'pause',
    'Pause all processes within one or more containers',
    async () => (await lifecycle()).pause,
  ),
  container(
    'unpause',
    'Unpause all processes within one or more containers',
    async () => (await lifecycle()).unpause,
  ),
  container('rename', 'Rename a container', async () => (await lifecycle()).rename),
  container(
    'update',
    'Update configuration of one or more containers',
    async () => (await import('./commands/update.ts')).update,
  ),
  container('rm', 'Remove one or more containers', async () => (await lifecycle()).rm, 'container remove'),
  container(
    'wait',
    'Block until one or more containers stop, then print their exit codes',
    async () => (await lifecycle()).wait,
  ),
  container(
    'cp',
    'Copy files/folders between a container and the local filesystem',
    async () => (await import('./commands/cp.ts')).cp,
  ),
  container(
    'stats',
    'Display a live stream of container(s) resource usage statistics',
    async () => (await import('./commands/stats.ts')).stats,
  ),
  container(
    'commit',
    "Create a new image from a container's changes",
    async () => (await containerImage()).commit,
  ),
  container(
    'diff',
    "Inspect changes to files or directories on a container's filesystem",
    async () => (await containerImage()).diff,
  ),
  container(
    'export',
    "Export a container's filesystem as a tar archive",
    async () => (await containerImage()).exportContainer,
  ),
  container('top', 'Display the running processes of a container', async () => (await lifecycle()).top),
  container(
    'port',
    'List port mappings or a specific mapping for the container',
    async () => (await lifecycle()).port,
  ),
  {
    names: ['container inspect'],
    about: 'Display detailed information on one or more containers',
    load: async () => (await inspect()).inspectContainer,
  },
  {
    names: ['container prune'],
    about: 'Remove all stopped containers',
    load: async () => (await prune()).pruneContainers,
  },
  {
    names: ['inspect'],
    about: 'Return low-level information on Gantry objects',
    load: async () => (await inspect()).inspect,
  },
]
