import { openBuildShell } from '../build/shell.ts'
import { command } from '../command.ts'
import { bool } from '../flags.ts'

export const shell = command({
  usage: '[OPTIONS] BUILD [COMMAND] [ARG...]',
  arguments: [1, Infinity],
  interspersed: false,
  flags: {
    'no-tty': bool('Do not allocate a pseudo-TTY', { short: 'T' }),
  },
  run: (context, flags, [ref = '', ...argv]) =>
    openBuildShell(context, ref, { command: argv, tty: flags['no-tty'] ? false : undefined }),
})
