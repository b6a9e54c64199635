/** All commands: where they are found, what they are for, and which module has them. Loading a module is what a start costs. */
import type { Command } from './command.ts'
import { composeEntries } from './compose-table.ts'

export interface Entry {
  /** Management form first: `container run`; then every other way to say it. */
  readonly names: readonly string[]
  readonly about: string
  /** Absent for commands that are not there yet; `missing` says why. */
  readonly load?: () => Promise<Command>
  readonly missing?: string
  /** Not for people: left out of the help. */
  readonly quiet?: boolean
}

/** `container X` and `X` are one command. */
function container(name: string, about: string, load: () => Promise<Command>, ...more: string[]): Entry {
  return { names: [`container ${name}`, ...more, name], about, load }
}

const lifecycle = () => import('./commands/lifecycle.ts')
const containerImage = () => import('./commands/container-image.ts')
const imageStore = () => import('./commands/image-store.ts')
const archives = () => import('./commands/archives.ts')
const buildCache = () => import('./commands/build-cache.ts')
const prune = () => import('./commands/prune.ts')
const volumes = () => import('./commands/volumes.ts')
const volumeExtras = () => import('./commands/volume-extras.ts')
const networks = () => import('./commands/networks.ts')
const networkChanges = () => import('./commands/network-changes.ts')
const inspect = () => import('./commands/inspect.ts')
const build = () => import('./commands/build.ts')
const transfer = () => import('./commands/transfer.ts')
const manifest = () => import('./commands/manifest.ts')
const builds = () => import('./commands/builds.ts')

function missing(names: readonly string[], about: string, why: string): Entry {
  return { names, about, missing: why }
}

export const entries: readonly Entry[] = [
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

  {
    names: ['image ls', 'image list', 'images'],
    about: 'List images',
    load: async () => (await import('./commands/images.ts')).images,
  },
  {
    names: ['image tag', 'tag'],
    about: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: async () => (await imageStore()).tag,
  },
  {
    names: ['image rm', 'image remove', 'rmi'],
    about: 'Remove one or more images',
    load: async () => (await imageStore()).rmi,
  },
  {
    names: ['image history', 'history'],
    about: 'Show the history of an image',
    load: async () => (await imageStore()).history,
  },
  {
    names: ['image explain'],
    about: 'Show what each layer of an image adds, changes, deletes and wastes',
    load: async () => (await import('./commands/image-explain.ts')).explain,
  },
  {
    names: ['image diff'],
    about: 'Show the differences of two images: files and configuration',
    load: async () => (await import('./commands/image-diff.ts')).diff,
  },
  {
    names: ['image ls-files'],
    about: 'List the files of an image',
    load: async () => (await import('./commands/image-files.ts')).lsFiles,
  },
  {
    names: ['image cat'],
    about: 'Print a file of an image',
    load: async () => (await import('./commands/image-files.ts')).cat,
  },
  {
    names: ['image inspect'],
    about: 'Display detailed information on one or more images',
    load: async () => (await inspect()).inspectImage,
  },
  {
    names: ['image load', 'load'],
    about: 'Load an image from a tar archive or STDIN',
    load: async () => (await archives()).load,
  },
  {
    names: ['image save', 'save'],
    about: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
    load: async () => (await archives()).save,
  },
  {
    names: ['image import', 'import'],
    about: 'Import the contents from a tarball to create a filesystem image',
    load: async () => (await archives()).importImage,
  },
  { names: ['image prune'], about: 'Remove unused images', load: async () => (await prune()).pruneImages },
  {
    names: ['image build', 'builder build', 'buildx build', 'build'],
    about: 'Build an image from a Dockerfile',
    load: async () => (await build()).build,
  },
  {
    names: ['buildx ls'],
    about: 'List builder instances',
    load: async () => (await import('./commands/buildx.ts')).ls,
  },
  {
    names: ['buildx inspect'],
    about: 'Inspect current builder instance',
    load: async () => (await import('./commands/buildx.ts')).inspect,
  },
  {
    names: ['buildx use'],
    about: 'Set the current builder instance',
    load: async () => (await import('./commands/buildx.ts')).use,
  },
  {
    names: ['buildx version'],
    about: 'Show buildx version information',
    load: async () => (await import('./commands/buildx.ts')).version,
  },
  {
    names: ['buildx bake'],
    about: 'Build from a file',
    load: async () => (await import('./commands/bake.ts')).bake,
  },
  {
    names: ['builder du', 'buildx du'],
    about: 'Disk usage',
    load: async () => (await buildCache()).du,
  },
  {
    names: ['builder cache ls', 'builder cache list'],
    about: 'List the directories of RUN --mount=type=cache',
    load: async () => (await buildCache()).cacheLs,
  },
  {
    names: ['builder cache rm'],
    about: 'Remove cache directories',
    load: async () => (await buildCache()).cacheRm,
  },
  {
    names: ['builder cache export'],
    about: "Export a cache directory's content as a tar archive",
    load: async () => (await buildCache()).cacheExport,
  },
  {
    names: ['builder cache import'],
    about: 'Fill a cache directory from a tar archive',
    load: async () => (await buildCache()).cacheImport,
  },
  {
    names: ['builder prune', 'buildx prune'],
    about: 'Remove build cache',
    load: async () => (await buildCache()).prune,
  },
  {
    names: ['builds ls', 'builds list', 'buildx history ls', 'buildx history', 'builds'],
    about: 'List builds, running and past',
    load: async () => (await builds()).ls,
  },
  {
    names: ['builds logs', 'buildx history logs'],
    about: 'Print the log of a build',
    load: async () => (await builds()).logs,
  },
  {
    names: ['builds inspect', 'buildx history inspect'],
    about: 'Show what a build did, step by step, with a time line',
    load: async () => (await import('./commands/builds-inspect.ts')).inspect,
  },
  {
    names: ['builds shell'],
    about: 'Open a shell in the failed step of a build',
    load: async () => (await import('./commands/builds-shell.ts')).shell,
  },
  {
    names: ['builds rm', 'builds remove', 'buildx history rm'],
    about: 'Remove records of builds',
    load: async () => (await builds()).rm,
  },

  { names: ['volume create'], about: 'Create a volume', load: async () => (await volumes()).create },
  {
    names: ['volume inspect'],
    about: 'Display detailed information on one or more volumes',
    load: async () => (await inspect()).inspectVolume,
  },
  { names: ['volume ls', 'volume list'], about: 'List volumes', load: async () => (await volumes()).ls },
  {
    names: ['volume prune'],
    about: 'Remove unused local volumes',
    load: async () => (await prune()).pruneVolumes,
  },
  {
    names: ['volume clone'],
    about: 'Copy a volume to a new one',
    load: async () => (await volumeExtras()).clone,
  },
  {
    names: ['volume rename'],
    about: 'Rename a volume that no container uses',
    load: async () => (await volumeExtras()).rename,
  },
  {
    names: ['volume export'],
    about: "Export a volume's content as a tar archive",
    load: async () => (await volumeExtras()).exportVolume,
  },
  {
    names: ['volume import'],
    about: 'Make a volume of a tar archive',
    load: async () => (await volumeExtras()).importVolume,
  },
  {
    names: ['volume trash'],
    about: 'List pruned volumes that can be restored',
    load: async () => (await volumeExtras()).trash,
  },
  {
    names: ['volume restore'],
    about: 'Bring a pruned volume back',
    load: async () => (await volumeExtras()).restore,
  },
  {
    names: ['volume rm', 'volume remove'],
    about: 'Remove one or more volumes',
    load: async () => (await volumes()).rm,
  },

  {
    names: ['network inspect'],
    about: 'Display detailed information on one or more networks',
    load: async () => (await inspect()).inspectNetwork,
  },
  { names: ['network ls', 'network list'], about: 'List networks', load: async () => (await networks()).ls },
  { names: ['network create'], about: 'Create a network', load: async () => (await networkChanges()).create },
  {
    names: ['network connect'],
    about: 'Connect a container to a network',
    load: async () => (await networkChanges()).connect,
  },
  {
    names: ['network disconnect'],
    about: 'Disconnect a container from a network',
    load: async () => (await networkChanges()).disconnect,
  },
  {
    names: ['network rm', 'network remove'],
    about: 'Remove one or more networks',
    load: async () => (await networkChanges()).rm,
  },
  {
    names: ['network prune'],
    about: 'Remove all unused networks',
    load: async () => (await networkChanges()).prune,
  },

  {
    names: ['version'],
    about: 'Show the Gantry version information',
    load: async () => (await import('./commands/version.ts')).version,
  },
  {
    names: ['system info', 'info'],
    about: 'Display system-wide information',
    load: async () => (await import('./commands/info.ts')).info,
  },
  {
    names: ['system events', 'events'],
    about: 'Get real time events from the server',
    load: async () => (await import('./commands/events.ts')).events,
  },
  {
    names: ['system df'],
    about: 'Show gantry disk usage',
    load: async () => (await import('./commands/df.ts')).df,
  },
  { names: ['system prune'], about: 'Remove unused data', load: async () => (await prune()).pruneSystem },

  {
    names: ['image pull', 'pull'],
    about: 'Download an image from a registry',
    load: async () => (await transfer()).pull,
  },
  {
    names: ['image push', 'push'],
    about: 'Upload an image to a registry',
    load: async () => (await transfer()).push,
  },
  {
    names: ['registry serve'],
    about: 'Serve a registry of images, in the foreground',
    load: async () => (await import('./commands/registry.ts')).serve,
  },
  {
    names: ['login'],
    about: 'Authenticate to a registry',
    load: async () => (await import('./commands/login.ts')).login,
  },
  {
    names: ['logout'],
    about: 'Log out from a registry',
    load: async () => (await import('./commands/login.ts')).logout,
  },
  {
    names: ['search'],
    about: 'Search Docker Hub for images',
    load: async () => (await import('./commands/search.ts')).search,
  },
  {
    names: ['manifest annotate'],
    about: 'Add additional information to a local image manifest',
    load: async () => (await manifest()).annotate,
  },
  {
    names: ['manifest create'],
    about: 'Create a local manifest list for annotating and pushing to a registry',
    load: async () => (await manifest()).create,
  },
  {
    names: ['manifest inspect'],
    about: 'Display an image manifest, or manifest list',
    load: async () => (await manifest()).inspect,
  },
  {
    names: ['manifest push'],
    about: 'Push a manifest list to a repository',
    load: async () => (await manifest()).push,
  },
  {
    names: ['manifest rm'],
    about: 'Delete one or more manifest lists from local storage',
    load: async () => (await manifest()).rm,
  },
  {
    names: ['buildx imagetools inspect'],
    about: 'Show details of an image in the registry',
    load: async () => (await import('./commands/imagetools.ts')).inspect,
  },
  {
    names: ['buildx imagetools create'],
    about: 'Create a new image based on source images',
    load: async () => (await import('./commands/imagetools.ts')).create,
  },
  missing(['trust'], 'Manage trust on images', 'image signing is not supported'),





  ...['create', 'rm', 'stop', 'dial-stdio'].map((name) =>
    missing([`buildx ${name}`], 'Manage builder instances', 'there is one builder, the daemon itself'),
  ),
  missing(
    ['buildx history export', 'buildx history import'],
    'Exchange build records',
    'records of builds stay with the daemon that built; save their log by gantry builds logs --progress rawjson',
  ),
  missing(['buildx history open'], 'Open a build in Docker Desktop', 'see gantry builds inspect'),
  missing(
    ['buildx history trace'],
    'Show the OpenTelemetry trace of a build',
    'traces are not recorded; gantry builds inspect has a time line',
  ),
  ...composeEntries,
  ...(
    [
      ['create', 'Create a context', 'create'],
      ['inspect', 'Display detailed information on one or more contexts', 'inspect'],
      ['ls', 'List contexts', 'ls'],
      ['rm', 'Remove one or more contexts', 'rm'],
      ['show', 'Print the name of the current context', 'show'],
      ['update', 'Update a context', 'update'],
      ['use', 'Set the current context', 'use'],
    ] as const
  ).map(([name, about, key]) => ({
    names: [`context ${name}`, ...(name === 'ls' ? ['context list'] : name === 'rm' ? ['context remove'] : [])],
    about,
    load: async () => (await import('./commands/context.ts'))[key],
  })),
  ...['export', 'import'].map((name) =>
    missing(
      [`context ${name}`],
      'Exchange contexts',
      'contexts are files below ~/.docker/contexts, which can be copied',
    ),
  ),
  ...(['bash', 'fish', 'zsh'] as const).map((shell) => ({
    names: [`completion ${shell}`],
    about: `Generate the autocompletion script for ${shell}`,
    load: async () => (await import('./commands/completion.ts'))[shell],
  })),
  {
    names: ['__complete'],
    about: 'Say what may come next on a command line',
    load: async () => (await import('./commands/completion.ts')).complete,
    quiet: true,
  },
  {
    names: ['system dial-stdio'],
    about: 'Proxy the stdio stream to the daemon connection',
    load: async () => (await import('./commands/dial-stdio.ts')).dialStdio,
    quiet: true,
  },
  missing(['checkpoint'], 'Manage checkpoints', 'checkpoints are not supported'),
  missing(['plugin'], 'Manage plugins', 'plugins are not supported'),
  ...['config', 'node', 'secret', 'service', 'stack', 'swarm'].map((name) =>
    missing([name], 'Manage Swarm', 'Swarm is not supported'),
  ),
  missing(['volume update'], 'Update a volume (cluster volumes only)', 'Swarm is not supported'),
]

export const groups: Readonly<Record<string, string>> = {
  builder: 'Manage builds',
  builds: 'Look at builds, running and past',
  buildx: 'Extended build capabilities',
  completion: 'Generate the autocompletion script for a shell',
  compose: 'Define and run multi-container applications',
  container: 'Manage containers',
  context: 'Manage contexts',
  image: 'Manage images',
  manifest: 'Manage Docker image manifests and manifest lists',
  network: 'Manage networks',
  registry: 'Be a registry',
  system: 'Manage Gantry',
  volume: 'Manage volumes',
}

/** Finds the command that the words begin with: its entry, its name as typed and what follows. */
export function findCommand(
  words: readonly string[],
): { entry: Entry; name: string; rest: string[] } | undefined {
  for (const count of [3, 2, 1]) {
    if (words.length < count) continue
    const name = words.slice(0, count).join(' ')
    const entry = entries.find((candidate) => candidate.names.includes(name))
    if (entry) return { entry, name, rest: words.slice(count) }
  }
  return undefined
}
