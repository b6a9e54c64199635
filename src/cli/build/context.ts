import { Readable } from 'node:stream'
import { hasCode } from '../../lib/errors.ts'
import { ExitError } from '../command.ts'
import type { Options } from './flags.ts'

const { readFileSync, statSync } = process.getBuiltinModule('node:fs')
const { join, resolve } = process.getBuiltinModule('node:path')

/** Where the context is and which Dockerfile is meant. */
export type Source =
  | { readonly kind: 'directory'; readonly path: string; readonly dockerfile: string; readonly text?: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'remote'; readonly url: string; readonly dockerfile: string; readonly text?: string }
  | { readonly kind: 'tar'; readonly stream: Readable; readonly dockerfile: string }

/** What `build WHERE -f FILE` means. */
export async function prepare(where: string, options: Options): Promise<Source> {
  if (where === '-') {
    if (options.file === '-')
      throw new ExitError(1, "invalid argument: can't use stdin for both build context and dockerfile")
    return readStandardInput(options)
  }
  const path = resolve(where)
  if (isUrl(where) && !statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const text = await textOf(options.file)
    if (text !== undefined) return { kind: 'remote', url: where, dockerfile: 'Dockerfile', text }
    return { kind: 'remote', url: where, dockerfile: options.file || 'Dockerfile' }
  }
  let stat
  try {
    stat = statSync(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR'))
      throw new ExitError(
        1,
        `ERROR: failed to build: unable to prepare context: path ${JSON.stringify(where)} not found`,
      )
    throw error
  }
  if (!stat.isDirectory())
    throw new ExitError(
      1,
      `ERROR: failed to build: unable to prepare context: context must be a directory: ${path}`,
    )
  const text = await textOf(options.file)
  if (text !== undefined) return { kind: 'directory', path, dockerfile: 'Dockerfile', text }
  return { kind: 'directory', path, dockerfile: findDockerfile(path, options.file) }
}

/** A Dockerfile that is no file of ours: `-f -` and `-f URL`. */
async function textOf(file: string): Promise<string | undefined> {
  if (file === '-') return readFileSync(0, 'utf8')
  if (!/^https?:\/\//.test(file)) return undefined
  const failed = (why: string) => new ExitError(1, `ERROR: failed to build: failed to fetch ${file}: ${why}`)
  try {
    const response = await fetch(file, { signal: AbortSignal.timeout(60_000) })
    if (!response.ok) throw failed(`${response.status} ${response.statusText}`)
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      chunks.push(chunk)
      size += chunk.length
      if (size > maxDockerfile) throw failed('it is too large for a Dockerfile')
    }
    return Buffer.concat(chunks).toString()
  } catch (error) {
    if (error instanceof ExitError) throw error
    const { cause } = error as Error
    throw failed(cause instanceof Error ? cause.message : (error as Error).message)
  }
}

/** No Dockerfile written by people comes near it. */
const maxDockerfile = 1 << 20

/** As docker tells them from directories. */
const isUrl = (where: string): boolean =>
  /^(?:https?|git|ssh):\/\/|^[\w.+-]+@[\w.-]+:|^github\.com\//.test(where)

/** Absolute. Docker: `-f` is relative to where we are; what is not there may be in the context. */
function findDockerfile(context: string, file: string): string {
  const exists = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined
  const candidates =
    file === ''
      ? [join(context, 'Dockerfile'), join(context, 'dockerfile')]
      : [resolve(file), resolve(context, file)]
  const found = candidates.find(exists)
  if (found === undefined)
    throw new ExitError(
      1,
      `ERROR: failed to build: failed to read dockerfile: open ${file || 'Dockerfile'}: no such file or directory`,
    )
  return found
}

/** Docker: an archive on standard input is the context, anything else is the Dockerfile of an empty context. */
async function readStandardInput(options: Options): Promise<Source> {
  const chunks: Buffer[] = []
  let length = 0
  const { stdin } = process
  for await (const chunk of stdin.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= 512) break
  }
  const head = Buffer.concat(chunks)
  if (isArchive(head)) {
    const rest = async function* () {
      yield head
      yield* stdin as AsyncIterable<Buffer>
    }
    return {
      kind: 'tar',
      stream: Readable.from(rest(), { objectMode: false }),
      dockerfile: options.file || 'Dockerfile',
    }
  }
  const all: Buffer[] = [head]
  if (!stdin.readableEnded) for await (const chunk of stdin as AsyncIterable<Buffer>) all.push(chunk)
  if (length === 0)
    throw new ExitError(1, 'ERROR: failed to build: unable to prepare context: standard input is empty')
  return { kind: 'text', text: Buffer.concat(all).toString('utf8') }
}

function isArchive(head: Buffer): boolean {
  const magic = head.toString('latin1')
  return (
    head.subarray(257, 262).toString('latin1') === 'ustar' ||
    ['\x1f\x8b', 'BZh', '\xfd7zXZ', '\x28\xb5\x2f\xfd'].some((start) => magic.startsWith(start))
  )
}
