import { EngineError } from '../../lib/errors.ts'
import type { Options } from './flags.ts'
import type { Progress } from './progress.ts'

/** What `--progress` and `--quiet` ask for. */
export async function makeProgress(
  options: Pick<Options, 'quiet' | 'progress'> & { readonly debug?: boolean; readonly replay?: boolean },
  fd: 1 | 2 = 2,
): Promise<Progress> {
  if (options.quiet || options.progress === 'quiet') return { handle() {}, close() {} }
  const { writeText } = await import('../text.ts')
  const write = (text: string) => writeText(fd, text)
  if (options.progress === 'rawjson') {
    const { RawJsonProgress } = await import('./raw-json.ts')
    return new RawJsonProgress(write)
  }
  const terminal = fd === 1 ? process.stdout : process.stderr
  if (options.progress === 'tty' && !terminal.isTTY)
    throw new EngineError(
      'invalid',
      `--progress tty: standard ${fd === 1 ? 'output' : 'error'} is not a terminal`,
    )
  if (options.progress === 'plain' || !terminal.isTTY) {
    const { PlainProgress } = await import('./plain.ts')
    return new PlainProgress(write, { debug: options.debug, replay: options.replay ?? false })
  }
  const [{ TtyProgress }, { coloursOf }] = await Promise.all([import('./tty.ts'), import('./colours.ts')])
  const { env } = process
  const { colours, wrong } = coloursOf(env)
  for (const field of wrong)
    write(`WARNING: BUILDKIT_COLORS: ${JSON.stringify(field)} is no choice of a colour\n`)
  const screen = () => ({ columns: terminal.columns || 80, rows: terminal.rows || 24 })
  return new TtyProgress(write, screen, {
    colours,
    debug: options.debug ?? false,
    // BuildKit's variables.
    ...numbers({ frameTime: env['TTY_DISPLAY_RATE'], logLines: env['BUILDKIT_TTY_LOG_LINES'] }),
  })
}

function numbers(texts: Record<string, string | undefined>): Record<string, number> {
  const entries = Object.entries(texts).map(([name, text]) => [name, Number(text)] as const)
  return Object.fromEntries(entries.filter(([, value]) => Number.isInteger(value) && value > 0))
}
