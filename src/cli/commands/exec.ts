import { messageOf } from '../../lib/errors.ts'
import { command, ExitError, type Context } from '../command.ts'
import { readPairs } from '../env.ts'
import { bool, list, string } from '../flags.ts'

export const exec = command({
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  arguments: [2, Infinity],
  interspersed: false,
  flags: {
    detach: bool('Detached mode: run command in the background', { short: 'd' }),
    'detach-keys': string('Override the key sequence for detaching a container'),
    env: list('Set environment variables', { short: 'e' }),
    'env-file': list('Read in a file of environment variables'),
    interactive: bool('Keep STDIN open even if not attached', { short: 'i' }),
    privileged: bool('Give extended privileges to the command'),
    tty: bool('Allocate a pseudo-TTY', { short: 't' }),
    user: string('Username or UID (format: "<name|uid>[:<group|gid>]")', { short: 'u' }),
    workdir: string('Working directory inside the container', { short: 'w' }),
  },
  run: (context, flags, [name = '', ...argv]) =>
    execute(context, name, {
      argv,
      env: readPairs(flags['env-file'], flags.env, process.env),
      detachKeys: flags['detach-keys'],
      detach: flags.detach,
      interactive: flags.interactive,
      privileged: flags.privileged,
      tty: flags.tty,
      user: flags.user,
      workdir: flags.workdir,
    }),
})

export interface Execution {
  readonly argv: readonly string[]
  readonly env: readonly string[]
  /** Empty: those of the configuration. */
  readonly detachKeys: string
  readonly detach: boolean
  readonly interactive: boolean
  readonly privileged: boolean
  readonly tty: boolean
  readonly user: string
  readonly workdir: string
}

/** Runs a command in a container with our standard streams; returns its exit code. */
export async function execute(context: Context, name: string, o: Execution): Promise<number> {
  const { containers } = context.client
  const { detach, tty } = o
  const stdin = o.interactive && !detach
  const terminal = tty && !detach ? await import('../terminal.ts') : undefined
  terminal?.assertTerminalInput({ stdin, tty })
  const size = terminal?.terminalSize()
  const consoleSize: [number, number] | null = size ? [size.rows, size.columns] : null
  const keys = o.detachKeys || context.config.detachKeys
  const id = await containers.createExec(name, {
    Cmd: [...o.argv],
    AttachStdin: stdin,
    AttachStdout: !detach,
    AttachStderr: !detach,
    Tty: tty,
    Env: [...o.env],
    Privileged: o.privileged,
    User: o.user,
    WorkingDir: o.workdir,
    DetachKeys: keys,
    ConsoleSize: consoleSize,
  })
  if (detach) {
    await containers.startExecDetached(id, { Tty: tty })
    return 0
  }
  const { openSession } = await import('../session.ts')
  const { stream } = await containers.startExec(id, { Tty: tty, ConsoleSize: consoleSize })
  const session = await openSession({
    stream,
    tty,
    stdin,
    output: true,
    detachKeys: terminal && stdin ? keys || terminal.defaultDetachKeys : '',
    resize: (now) => containers.resizeExec(id, now),
  })
  session.started()
  // Docker: the command runs on, and nobody has learned its exit code.
  if ((await session.ended) === 'detached') throw new ExitError(1, 'read escape sequence')
  const { ExitCode, Running } = await containers.inspectExec(id)
  if (ExitCode === null && Running)
    throw new Error(messageOf(`the connection to exec ${id} was lost; the command still runs`))
  return ExitCode ?? 0
}
