import { EngineError } from '../../lib/errors.ts'
import { command, type Context } from '../command.ts'
import { dryRunPrefix } from '../compose/progress.ts'
import { indexFlag, serviceContainer } from '../compose/service-container.ts'
import { readPairs } from '../env.ts'
import { bool, list, string } from '../flags.ts'
import { composeFlags } from './compose.ts'
import { execute } from './exec.ts'

export const composeExec = command({
  usage: '[OPTIONS] SERVICE COMMAND [ARGS...]',
  flags: {
    detach: bool('Detached mode: Run command in the background', { short: 'd' }),
    env: list('Set environment variables', { short: 'e', kind: 'stringArray' }),
    index: indexFlag(),
    interactive: bool('Keep STDIN open even if not attached', { short: 'i', initial: true, hidden: true }),
    'no-tty': bool('Disable pseudo-TTY allocation. By default a TTY is allocated on a terminal', {
      short: 'T',
    }),
    privileged: bool('Give extended privileges to the process'),
    tty: bool('Allocate a pseudo-TTY', { short: 't', hidden: true }),
    user: string('Run the command as this user', { short: 'u' }),
    workdir: string('Path to workdir directory for this command', { short: 'w' }),
  },
  arguments: [2, Infinity],
  interspersed: false,
  async run(context, options, [service = '', ...argv], given) {
    const { id } = await serviceContainer(context, service, { index: options.index })
    if (composeFlags(context).dryRun) return withoutExecuting(context, { id, argv, detach: options.detach })
    return await execute(context, id, {
      argv,
      env: readPairs([], options.env, process.env),
      detachKeys: '',
      detach: options.detach,
      interactive: options.interactive,
      privileged: options.privileged,
      tty: given.has('no-tty') ? !options['no-tty'] : options.tty || process.stdout.isTTY,
      user: options.user,
      workdir: options.workdir,
    })
  },
})

function withoutExecuting(
  context: Context,
  { id, argv, detach }: { id: string; argv: readonly string[]; detach: boolean },
): number {
  if (!detach) throw new EngineError('unsupported', 'interactive exec is not supported in dry-run mode')
  context.out(`${dryRunPrefix}Executing command ${JSON.stringify(argv)} in ${id} (detached mode)\n`)
  return 0
}
