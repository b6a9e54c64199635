/** All commands: where they are found, what they are for, and which module has them. Loading a module is what a start costs. */
import type { Command } from './command.ts'
import { buildEntries } from './build-table.ts'
import { composeEntries } from './compose-table.ts'
import { containerEntries } from './container-table.ts'
import { imageEntries } from './image-table.ts'
import { networkEntries } from './network-table.ts'
import { registryEntries } from './registry-table.ts'
import { volumeEntries } from './volume-table.ts'

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

const prune = () => import('./commands/prune.ts')

function missing(names: readonly string[], about: string, why: string): Entry {
  return { names, about, missing: why }
}

export const entries: readonly Entry[] = [
  ...containerEntries,
  ...imageEntries,
  ...buildEntries,
  ...volumeEntries,
  ...networkEntries,
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
  ...registryEntries,
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
      ['use', 'Set the current docker context', 'use'],
    ] as const
  ).map(([name, about, key]) => ({
    names: [
      `context ${name}`,
      ...(name === 'ls' ? ['context list'] : name === 'rm' ? ['context remove'] : []),
    ],
    about,
    load: async () => (await import('./commands/context.ts'))[key],
  })),
  {
    names: ['context export'],
    about: 'Export a context to a tar archive FILE or a tar stream on STDOUT.',
    load: async () => (await import('./commands/context-archives.ts')).exportContext,
  },
  {
    names: ['context import'],
    about: 'Import a context from a tar file',
    load: async () => (await import('./commands/context-archives.ts')).importContext,
  },
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
  missing(['volume update'], 'Update a volume (cluster volumes only)', 'can only update cluster volumes'),
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
