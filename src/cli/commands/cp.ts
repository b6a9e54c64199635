import { humanSize } from '../../lib/units.ts'
import { copyWhole } from '../archive-files.ts'
import { command, ExitError, type Context } from '../command.ts'
import { copyFrom, copyTo, type CopyOptions } from '../copy/copy-files.ts'
import { bool } from '../flags.ts'
import { OutputQueue } from '../output-queue.ts'

const { isatty } = process.getBuiltinModule('node:tty')

export const cp = command({
  usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tgantry cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  more: `Use '-' as the source to read a tar archive from stdin\nand extract it to a directory destination in a container.\nUse '-' as the destination to stream a tar archive of a\ncontainer source to stdout.`,
  arguments: [2, 2],
  flags: {
    archive: bool('Archive mode (copy all uid/gid information)', { short: 'a' }),
    'follow-link': bool('Always follow symbol link in SRC_PATH', { short: 'L' }),
    quiet: bool(
      'Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached',
      { short: 'q' },
    ),
  },
  async run(context, flags, [source = '', destination = ''], given) {
    if (source === '') throw new ExitError(1, 'source can not be empty')
    if (destination === '') throw new ExitError(1, 'destination can not be empty')
    const [from, to] = [splitArgument(source), splitArgument(destination)]
    if (from.container !== '' && to.container !== '')
      throw new ExitError(1, 'copying between containers is not supported')
    const container = from.container || to.container
    if (container === '') throw new ExitError(1, 'must specify at least one container source')
    // Docker: without a terminal nothing is said.
    const quiet = given.has('quiet') ? flags.quiet : !isatty(1)
    const options: CopyOptions = {
      container,
      from: from.path,
      to: to.path,
      followLink: flags['follow-link'],
      archive: flags.archive,
      skipped: (name) => context.err(`${name} is a device: it was left out\n`),
    }
    if (to.container !== '') await toContainer(context, options, quiet)
    else await fromContainer(context, options, quiet)
  },
})

async function fromContainer(context: Context, o: CopyOptions, quiet: boolean): Promise<void> {
  using shown = new Progress(context, 'Copying from container - ', quiet || o.to === '-')
  const copied = await copyFrom(context.client.containers, { ...o, progress: (n) => shown.update(n) })
  if (typeof copied !== 'number') return copyWhole(copied, new OutputQueue())
  shown.done(`Successfully copied ${humanSize(copied)} to ${o.to}`)
}

async function toContainer(context: Context, o: CopyOptions, quiet: boolean): Promise<void> {
  using shown = new Progress(context, 'Copying to container - ', quiet)
  const { path, bytes } = await copyTo(context.client.containers, {
    ...o,
    input: process.stdin,
    progress: (n) => shown.update(n),
  })
  shown.done(`Successfully copied ${humanSize(bytes)} to ${o.container}:${path}`)
}

/** `container:path`; a path that is absolute, or begins with a dot, is local whatever else is in it. */
export function splitArgument(argument: string): { container: string; path: string } {
  const colon = argument.indexOf(':')
  if (argument.startsWith('/') || argument.startsWith('.') || colon < 0)
    return { container: '', path: argument }
  return { container: argument.slice(0, colon), path: argument.slice(colon + 1) }
}

/** One line on the terminal, told anew five times a second. */
class Progress implements Disposable {
  readonly #context: Context
  readonly #head: string
  readonly #quiet: boolean
  #last = 0
  #shown = false

  constructor(context: Context, head: string, quiet: boolean) {
    this.#context = context
    this.#head = head
    this.#quiet = quiet
  }

  update(bytes: number): void {
    if (this.#quiet || Date.now() - this.#last < 200) return
    this.#last = Date.now()
    this.#shown = true
    this.#context.err(`\r\x1b[K${this.#head}${humanSize(bytes)}`)
  }

  done(text: string): void {
    if (this.#quiet) return
    this[Symbol.dispose]()
    this.#context.err(`${text}\n`)
  }

  [Symbol.dispose](): void {
    if (this.#shown) this.#context.err('\r\x1b[K')
    this.#shown = false
  }
}
