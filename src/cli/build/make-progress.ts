import { EngineError } from '../../lib/errors.ts'
import type { Options } from './flags.ts'
import type { Progress } from './progress.ts'

/** What `--progress` and `--quiet` ask for. */
export async function makeProgress(options: Pick<Options, 'quiet' | 'progress'>): Promise<Progress> {
  if (options.quiet || options.progress === 'quiet') return { handle() {}, close() {} }
  const { writeText } = await import('../text.ts')
  const write = (text: string) => writeText(2, text)
  if (options.progress === 'rawjson')
    return { handle: (event) => write(`${JSON.stringify(event)}\n`), close() {} }
  const { stderr } = process
  if (options.progress === 'tty' && !stderr.isTTY)
    throw new EngineError('invalid', '--progress tty: standard error is not a terminal')
  if (options.progress === 'plain' || !stderr.isTTY) {
    const { PlainProgress } = await import('./plain.ts')
    return new PlainProgress(write)
  }
  const { TtyProgress } = await import('./tty.ts')
  return new TtyProgress(write, () => ({ columns: stderr.columns || 80, rows: stderr.rows || 24 }))
}
