/** Commands for builds, their cache and their records. */
import type { Entry } from './table.ts'

const buildCache = () => import('./commands/build-cache.ts')
const build = () => import('./commands/build.ts')
const builds = () => import('./commands/builds.ts')

export const buildEntries: readonly Entry[] = [
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
]
