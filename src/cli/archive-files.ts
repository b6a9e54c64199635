import type { Readable } from 'node:stream'
import { hasCode } from '../lib/errors.ts'
import { ExitError } from './command.ts'
import { OutputQueue } from './output-queue.ts'
import { copyOutput } from './streams.ts'

const { createReadStream, createWriteStream } = process.getBuiltinModule('node:fs')
const { open, rename, rm, stat } = process.getBuiltinModule('node:fs/promises')
const { isatty } = process.getBuiltinModule('node:tty')

/** An archive that ends early is a failure, never a short file. */
export async function copyWhole(source: Readable, queue: OutputQueue): Promise<void> {
  let complete = false
  source.once('end', () => (complete = true))
  await copyOutput(source, queue, { raw: true })
  await queue.flushed()
  if (!complete) throw new Error('the daemon closed the connection before the archive was complete')
}

/** A file, or standard input for `stdin`: `-`, unless told. */
export async function openArchive(path: string, stdin = '-'): Promise<Readable> {
  if (path === stdin) return process.stdin
  try {
    const file = await open(path)
    return createReadStream(path, { fd: file, highWaterMark: 256 * 1024 })
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new ExitError(1, `open ${path}: no such file or directory`)
    throw error
  }
}

/**
 * Writes an archive to a file that appears when it is complete; the path is looked at before the archive is asked for. Without a
 * path to standard output, unless that is a terminal.
 */
export async function saveArchive(
  path: string,
  o: { what: string; open: () => Promise<Readable> },
): Promise<void> {
  if (path === '') {
    if (isatty(1))
      throw new ExitError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect')
    return await copyWhole(await o.open(), new OutputQueue())
  }
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
