/** load, save, import: images as archives. */
import type { Readable } from 'node:stream'
import { hasCode } from '../../lib/errors.ts'
import { familiarName, parseReference } from '../../lib/reference.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { command, ExitError } from '../command.ts'
import { bool, list, string } from '../flags.ts'
import { readPlatform } from '../platform-flag.ts'
import { OutputQueue } from '../output-queue.ts'
import { copyOutput } from '../streams.ts'

const { createReadStream, createWriteStream } = process.getBuiltinModule('node:fs')
const { open, rename, rm, stat } = process.getBuiltinModule('node:fs/promises')
const { isatty } = process.getBuiltinModule('node:tty')

export const load = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    input: string('Read from tar archive file, instead of STDIN', { short: 'i' }),
    platform: string('Load only the given platform variant'),
    quiet: bool('Suppress the load output', { short: 'q' }),
  },
  async run(context, flags) {
    const platform = readPlatform(flags.platform)
    if (flags.input === '' && isatty(0))
      throw new ExitError(1, 'requested load from stdin, but stdin is empty')
    const archive = flags.input === '' ? process.stdin : await openArchive(flags.input)
    for await (const message of context.client.images.load(archive, { quiet: flags.quiet, platform }))
      context.out(textOf(message, flags.quiet))
  },
})

export const save = command({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  arguments: [1, Infinity],
  flags: {
    output: string('Write to a file, instead of STDOUT', { short: 'o' }),
    platform: string('Save only the given platform variant'),
  },
  async run(context, flags, names) {
    const platform = readPlatform(flags.platform)
    if (flags.output === '') {
      if (isatty(1))
        throw new ExitError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect')
      const queue = new OutputQueue()
      const source = await context.client.images.save(names, { platform })
      await copyWhole(source, queue)
      return
    }
    const open = () => context.client.images.save(names, { platform })
    await saveWhole(flags.output, { what: 'save image', open })
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
    const archive = remote ? undefined : source === '-' ? process.stdin : await openArchive(source)
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

/** An archive that ends early is a failure, never a short file. */
export async function copyWhole(source: Readable, queue: OutputQueue): Promise<void> {
  let complete = false
  source.once('end', () => (complete = true))
  await copyOutput(source, queue, { raw: true })
  await queue.flushed()
  if (!complete) throw new Error('the daemon closed the connection before the archive was complete')
}

export async function openArchive(path: string): Promise<Readable> {
  try {
    const file = await open(path)
    return createReadStream(path, { fd: file, highWaterMark: 256 * 1024 })
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new ExitError(1, `open ${path}: no such file or directory`)
    throw error
  }
}

/** Writes an archive to a file that appears when it is complete. The path is looked at before the archive is asked for. */
export async function saveWhole(
  path: string,
  o: { what: string; open: () => Promise<Readable> },
): Promise<void> {
  await assertWritable(path, o.what)
  const { pipeline } = await import('node:stream/promises')
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await pipeline(await o.open(), createWriteStream(temporary, { mode: 0o600 }))
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}

async function assertWritable(path: string, what: string): Promise<void> {
  const { dirname } = await import('node:path')
  try {
    const target = await stat(path)
    if (!target.isFile())
      throw new ExitError(
        1,
        `failed to ${what}: invalid output path: ${JSON.stringify(path)} must be a regular file`,
      )
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    await stat(dirname(path)).catch(() => {
      throw new ExitError(
        1,
        `failed to ${what}: invalid output path: stat ${dirname(path)}: no such file or directory`,
      )
    })
  }
}

function textOf(message: ProgressMessage, quiet: boolean): string {
  if (message.errorDetail || message.error !== undefined)
    throw new ExitError(1, message.errorDetail?.message ?? message.error ?? '')
  if (message.stream !== undefined) return message.stream
  // Progress of single layers is for a terminal; what has ended is said in `stream`.
  if (message.status === undefined || message.progressDetail || quiet) return ''
  return `${message.id === undefined ? '' : `${message.id}: `}${message.status}\n`
}
