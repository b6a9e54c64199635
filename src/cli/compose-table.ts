/** Compose's part of the command table. */
import type { Command } from './command.ts'
import type { Entry } from './table.ts'

function one(name: string, about: string, load: () => Promise<Command>): Entry {
  return { names: [`compose ${name}`], about, load }
}

/** Docker compose's commands that are not there yet. */
const missing =
  'attach bridge commit cp create down events export images kill ls pause port ps publish restart rm run scale start ' +
  'stats stop top unpause up volumes wait watch'

const transfer = () => import('./commands/compose-pull.ts')

export const composeEntries: readonly Entry[] = [
  {
    names: ['compose'],
    about: 'Define and run multi-container applications',
    load: async () => (await import('./commands/compose.ts')).compose,
  },
  one(
    'build',
    'Build or rebuild services',
    async () => (await import('./commands/compose-build.ts')).composeBuild,
  ),
  {
    names: ['compose config', 'compose convert'],
    about: 'Parse, resolve and render compose file in canonical format',
    load: async () => (await import('./commands/compose-config.ts')).composeConfig,
  },
  one(
    'exec',
    'Execute a command in a running container',
    async () => (await import('./commands/compose-exec.ts')).composeExec,
  ),
  one(
    'logs',
    'View output from containers',
    async () => (await import('./commands/compose-logs.ts')).composeLogs,
  ),
  one('pull', 'Pull service images', async () => (await transfer()).composePull),
  one('push', 'Push service images', async () => (await transfer()).composePush),
  one(
    'version',
    'Show the Compose version information',
    async () => (await import('./commands/compose-version.ts')).composeVersion,
  ),
  ...missing.split(' ').map((name): Entry => ({
    names: [`compose ${name}`],
    about: 'Run multi-container applications',
    missing: 'not supported yet; compose config is',
  })),
]
