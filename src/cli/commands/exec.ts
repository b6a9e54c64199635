import { messageOf } from '../../lib/errors.ts'
import { command } from '../command.ts'
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
  async run(context, flags, [name = '', ...argv]) {
    const { containers } = context.client
    const { detach, tty } = flags
    const stdin = flags.interactive && !detach
    const terminal = tty && !detach ? await import('../terminal.ts') : undefined
    terminal?.assertTerminalInput({ stdin, tty })
    const size = terminal?.terminalSize()
    const consoleSize: [number, number] | null = size ? [size.rows, size.columns] : null
    const keys = flags['detach-keys'] || context.config.detachKeys
    const id = await containers.createExec(name, {
      Cmd: argv,
      AttachStdin: stdin,
      AttachStdout: !detach,
      AttachStderr: !detach,
      Tty: tty,
      Env: readPairs(flags['env-file'], flags.env, process.env),
      Privileged: flags.privileged,
      User: flags.user,
      WorkingDir: flags.workdir,
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
    if ((await session.ended) === 'detached') {
      context.err('read escape sequence\n')
      return 0
    }
    const { ExitCode, Running } = await containers.inspectExec(id)
    if (ExitCode === null && Running)
      throw new Error(messageOf(`the connection to exec ${id} was lost; the command still runs`))
    return ExitCode ?? 0
  },
})
