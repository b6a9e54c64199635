/** load, save, import: images as archives. */
import { familiarName, parseReference } from '../../lib/reference.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { openArchive, saveArchive } from '../archive-files.ts'
import { command, ExitError } from '../command.ts'
import { bool, list, string } from '../flags.ts'
import { readPlatform } from '../platform-flag.ts'

const { isatty } = process.getBuiltinModule('node:tty')

export const load = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    input: string('Read from tar archive file, instead of STDIN', { short: 'i' }),
    platform: string(
      'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
    quiet: bool('Suppress the load output', { short: 'q' }),
  },
  async run(context, flags) {
    const platform = readPlatform(flags.platform)
    if (flags.input === '' && isatty(0))
      throw new ExitError(1, 'requested load from stdin, but stdin is empty')
    const archive = await openArchive(flags.input, '')
    for await (const message of context.client.images.load(archive, { quiet: flags.quiet, platform }))
      context.out(textOf(message, flags.quiet))
  },
})

export const save = command({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  arguments: [1, Infinity],
  flags: {
    output: string('Write to a file, instead of STDOUT', { short: 'o' }),
    platform: string(
      'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
  },
  async run(context, flags, names) {
    const platform = readPlatform(flags.platform)
    const open = () => context.client.images.save(names, { platform })
    await saveArchive(flags.output, { what: 'save image', open })
  },
})

export const importImage = command({
  usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  arguments: [1, 2],
  flags: {
    change: list('Apply Dockerfile instruction to the created image', { short: 'c' }),
    message: string('Set commit message for imported image', { short: 'm' }),
    platform: string('Set platform if server is multi-platform capable'),
  },
  async run(context, flags, [source = '', name]) {
    const reference = name === undefined ? undefined : parseReference(name)
    const remote = /^https?:\/\//.test(source)
    const archive = remote ? undefined : await openArchive(source)
    const messages = context.client.images.import({
      source: remote ? source : '-',
      archive,
      repo: reference && familiarName(reference),
      tag: reference && (reference.tag ?? 'latest'),
      message: flags.message || undefined,
      changes: flags.change,
      platform: flags.platform || undefined,
    })
    for await (const message of messages) context.out(textOf(message, false))
  },
})

function textOf(message: ProgressMessage, quiet: boolean): string {
  if (message.errorDetail || message.error !== undefined)
    throw new ExitError(1, message.errorDetail?.message ?? message.error ?? '')
  if (message.stream !== undefined) return message.stream
  // Progress of single layers is for a terminal; what has ended is said in `stream`.
  if (message.status === undefined || message.progressDetail || quiet) return ''
  return `${message.id === undefined ? '' : `${message.id}: `}${message.status}\n`
}
