import { EngineError } from '../../lib/errors.ts'
import type { Options } from './flags.ts'
import type { Progress } from './progress.ts'

/** What `--progress` and `--quiet` ask for. */
export async function makeProgress(
  options: Pick<Options, 'quiet' | 'progress'> & { readonly debug?: boolean },
  fd: 1 | 2 = 2,
): Promise<Progress> {
  if (options.quiet || options.progress === 'quiet') return { handle() {}, close() {} }
  const { writeText } = await import('../text.ts')
  const write = (text: string) => writeText(fd, text)
  if (options.progress === 'rawjson')
    return { handle: (event) => write(`${JSON.stringify(event)}\n`), close() {} }
  const terminal = fd === 1 ? process.stdout : process.stderr
  if (options.progress === 'tty' && !terminal.isTTY)
    throw new EngineError(
      'invalid',
      `--progress tty: standard ${fd === 1 ? 'output' : 'error'} is not a terminal`,
    )
  if (options.progress === 'plain' || !terminal.isTTY) {
    const { PlainProgress } = await import('./plain.ts')
    return new PlainProgress(write, options)
  }
  const { TtyProgress } = await import('./tty.ts')
  const screen = () => ({ columns: terminal.columns || 80, rows: terminal.rows || 24 })
  return new TtyProgress(write, screen, options)
}
