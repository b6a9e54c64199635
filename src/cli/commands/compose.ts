import type { Client } from '../../client/index.ts'
import type { ProjectFlags } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command, ExitError, type Context } from '../command.ts'
import { bool, int, list, string } from '../flags.ts'
import { invoke } from '../invoke.ts'
import { findCommand } from '../table.ts'

const flags = {
  'all-resources': bool('Include all resources, even those not used by services'),
  ansi: string('Control when to print ANSI control characters ("never"|"always"|"auto")', {
    initial: 'auto',
  }),
  compatibility: bool('Run compose in backward compatibility mode'),
  'dry-run': bool('Execute command in dry run mode'),
  'env-file': list('Specify an alternate environment file', { kind: 'stringArray' }),
  file: list('Compose configuration files', { short: 'f', kind: 'stringArray' }),
  parallel: int('Control max parallelism, -1 for unlimited', { initial: -1 }),
  profile: list('Specify a profile to enable', { kind: 'stringArray' }),
  progress: string('Set type of progress output (auto, tty, plain, json, quiet)'),
  'project-directory': string(
    'Specify an alternate working directory (default: the path of the, first specified, Compose file)',
  ),
  'project-name': string('Project name', { short: 'p' }),
}

type Flags = { readonly [K in keyof typeof flags]: (typeof flags)[K]['initial'] }

/** What stands between `compose` and the name of its command. */
export interface ComposeFlags extends ProjectFlags {
  readonly allResources: boolean
  /** `never`, `always` or `auto`. */
  readonly ansi: string
  /** Empty when it was not told. */
  readonly progress: string
  /** Calls of the engine that go on at once; 0 and less: no limit. */
  readonly parallel: number
  readonly dryRun: boolean
}

interface ComposeContext extends Context {
  readonly compose: ComposeFlags
}

export const compose = command({
  usage: '[OPTIONS] COMMAND',
  flags,
  arguments: [0, Infinity],
  interspersed: false,
  async run(context, options, [name, ...rest], given) {
    refuse(options)
    if (name === undefined) {
      const { groupHelp } = await import('../help.ts')
      context.out(groupHelp('compose'))
      return 0
    }
    const found = findCommand(['compose', name, ...rest])
    if (!found || found.name === 'compose')
      throw new ExitError(
        1,
        `unknown docker command: "compose ${name}"\n\nRun 'gantry compose --help' for more information`,
      )
    const inner = await within(context, `gantry ${found.name}`, {
      files: options.file,
      envFiles: options['env-file'],
      profiles: options.profile,
      projectDirectory: options['project-directory'],
      projectName: options['project-name'],
      compatibility: options.compatibility,
      allResources: options['all-resources'],
      ansi: options.ansi === 'auto' ? ansiOf(process.env['COMPOSE_ANSI']) : options.ansi,
      progress: options.progress,
      parallel: given.has('parallel') ? options.parallel : parallelOf(process.env['COMPOSE_PARALLEL_LIMIT']),
      dryRun: options['dry-run'],
    })
    return invoke(found, inner)
  },
})

/** The flags of a command that `compose` was called with; without any it is called itself, and the environment counts no less. */
export function composeFlags(context: Context): ComposeFlags {
  if ('compose' in context) return (context as ComposeContext).compose // nobody else sets it
  return {
    files: [],
    envFiles: [],
    profiles: [],
    projectDirectory: '',
    projectName: '',
    compatibility: false,
    allResources: false,
    ansi: ansiOf(process.env['COMPOSE_ANSI']),
    progress: '',
    parallel: parallelOf(process.env['COMPOSE_PARALLEL_LIMIT']),
    dryRun: false,
  }
}

/** As if `--dry-run` stood before the name of the command. */
export async function inDryRun(context: Context): Promise<Context> {
  const known = composeFlags(context)
  return known.dryRun ? context : within(context, context.path, { ...known, dryRun: true })
}

/** Client and configuration stay unopened until they are asked for. In a dry run the client changes nothing. */
async function within(context: Context, path: string, flagsOfCompose: ComposeFlags): Promise<ComposeContext> {
  const dryRun = flagsOfCompose.dryRun ? await import('../../compose/index.ts') : undefined
  let client: Client | undefined
  return {
    get client() {
      return (client ??= dryRun?.dryRunClient(context.client) ?? context.client)
    },
    get config() {
      return context.config
    },
    path,
    host: context.host,
    environmentHost: context.environmentHost,
    contextName: context.contextName,
    debug: context.debug,
    out: (text) => context.out(text),
    err: (text) => context.err(text),
    compose: flagsOfCompose,
  }
}

function ansiOf(told = ''): string {
  if (['', 'never', 'always', 'auto'].includes(told)) return told || 'auto'
  throw new EngineError(
    'invalid',
    `COMPOSE_ANSI: unknown mode ${JSON.stringify(told)}: never, always or auto`,
  )
}

function parallelOf(told = ''): number {
  if (told === '') return -1
  const limit = Number(told)
  if (Number.isInteger(limit)) return limit
  throw new EngineError(
    'invalid',
    `COMPOSE_PARALLEL_LIMIT must be an integer (found: ${JSON.stringify(told)})`,
  )
}

function refuse(options: Flags): void {
  if (!['never', 'always', 'auto'].includes(options.ansi))
    throw new EngineError(
      'invalid',
      `unknown --ansi mode ${JSON.stringify(options.ansi)}: never, always or auto`,
    )
  if (!['', 'auto', 'tty', 'plain', 'json', 'quiet'].includes(options.progress))
    throw new EngineError('invalid', `unsupported --progress value ${JSON.stringify(options.progress)}`)
}
