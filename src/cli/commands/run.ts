import { DaemonError, type Client } from '../../client/index.ts'
import { hasCode, messageOf } from '../../lib/errors.ts'
import type { ContainerCreateBody, WaitResponse } from '../../wire/container.ts'
import { command, ExitError, type Context } from '../command.ts'
import { attached, createBody, type CreateInput } from '../create-body.ts'
import { describeError } from '../errors.ts'
import { createFlags, runFlags } from '../run-flags.ts'

const { closeSync, openSync, writeSync } = process.getBuiltinModule('node:fs')

const usage = '[OPTIONS] IMAGE [COMMAND] [ARG...]'

export const create = command({
  usage,
  flags: createFlags,
  arguments: [1, Infinity],
  interspersed: false,
  async run(context, flags, words, given) {
    const input = { flags, given, words, detach: false, proxies: context.config.proxies(context.host) }
    const body = withHelp(context, () => createBody(input))
    context.out(`${await createContainer(context, input, body)}\n`)
  },
})

export const run = command({
  usage,
  flags: runFlags,
  arguments: [1, Infinity],
  interspersed: false,
  async run(context, flags, words, given) {
    const proxies = context.config.proxies(context.host)
    const input: CreateInput = { flags, given, words, detach: flags.detach, proxies }
    const body = withHelp(context, () => createBody(input))
    if (flags.detach && flags.attach.length > 0)
      throw new ExitError(1, 'conflicting options: cannot specify both --attach and --detach')
    if (!flags.detach) await prepareForTerminal(body)
    let id
    try {
      id = await createContainer(context, input, body)
    } catch (error) {
      throw failed(context, error, 125)
    }
    if (flags.detach) {
      await context.client.containers.start(id).catch((error: unknown) => {
        throw failed(context, error, startCode(error))
      })
      context.out(`${id}\n`)
      return 0
    }
    return runAttached(context, id, {
      body,
      streams: attached(input),
      detachKeys: flags['detach-keys'] || context.config.detachKeys,
      proxy: flags['sig-proxy'],
      rm: flags.rm,
    })
  },
})

async function prepareForTerminal(body: ContainerCreateBody): Promise<void> {
  if (!body.Tty) return
  const { assertTerminalInput, terminalSize } = await import('../terminal.ts')
  assertTerminalInput({ stdin: body.AttachStdin ?? false, tty: true })
  // Given at create, the first line the container writes has the right width.
  const size = terminalSize()
  if (size && body.HostConfig) body.HostConfig.ConsoleSize = [size.rows, size.columns]
}

async function createContainer(
  context: Context,
  input: CreateInput,
  body: ContainerCreateBody,
): Promise<string> {
  const { flags } = input
  const cidfile = flags.cidfile === '' ? undefined : openCidFile(flags.cidfile)
  try {
    if (flags.pull === 'always') await pullFor(context, input, body.Image)
    const { Id, Warnings } = await createPulling(context, input, body)
    for (const warning of Warnings ?? []) context.err(`WARNING: ${warning}\n`)
    cidfile?.write(Id)
    return Id
  } catch (error) {
    cidfile?.discard()
    throw error
  }
}

/** Docker: an image that is not here is pulled, and then it is tried once more. */
async function createPulling(
  context: Context,
  input: CreateInput,
  body: ContainerCreateBody,
): Promise<{ Id: string; Warnings: string[] | null }> {
  const { flags } = input
  const create = () => context.client.containers.create(body, { name: flags.name, platform: flags.platform })
  try {
    return await create()
  } catch (error) {
    // An id names nothing that a registry knows.
    const pulls = flags.pull !== 'never' && !/^(sha256:)?[0-9a-f]{64}$/.test(body.Image)
    if (!(error instanceof DaemonError) || error.status !== 404 || !pulls) throw error
    const { familiar, parseReference, withDefaultTag } = await import('../../lib/reference.ts')
    const name = familiar(withDefaultTag(parseReference(body.Image)))
    // An image that is to be mounted may be missing, too: that is not pulled.
    if (error.message !== `No such image: ${name}`) throw error
    if (!flags.quiet) context.err(`Unable to find image '${name}' locally\n`)
    await pullFor(context, input, body.Image)
    return await create()
  }
}

async function pullFor(context: Context, { flags }: CreateInput, image: string): Promise<void> {
  const { parseReference } = await import('../../lib/reference.ts')
  const { pullImage } = await import('./transfer.ts')
  const { platform, quiet } = flags
  await pullImage(context, parseReference(image), { platform, quiet, to: 2 })
}

function openCidFile(path: string): { write(id: string): void; discard(): void } {
  const { rmSync } = process.getBuiltinModule('node:fs')
  let fd: number
  try {
    fd = openSync(path, 'wx', 0o644)
  } catch (error) {
    if (hasCode(error, 'EEXIST', 'EISDIR'))
      throw new Error(
        `container ID file found, make sure the other container isn't running or delete ${path}`,
        { cause: error },
      )
    throw new Error(`failed to create the container ID file: ${messageOf(error)}`, { cause: error })
  }
  return {
    write: (id) => {
      writeSync(fd, id)
      closeSync(fd)
    },
    discard: () => {
      closeSync(fd)
      rmSync(path, { force: true })
    },
  }
}

interface Attached {
  readonly body: ContainerCreateBody
  readonly streams: { stdin: boolean; stdout: boolean; stderr: boolean }
  readonly detachKeys: string
  readonly proxy: boolean
  readonly rm: boolean
}

async function runAttached(context: Context, id: string, o: Attached): Promise<number> {
  const { containers } = context.client
  const { openSession, proxySignals } = await import('../session.ts')
  using _proxy = o.proxy ? proxySignals((signal) => containers.kill(id, signal)) : undefined
  const { stdin, stdout, stderr } = o.streams
  const tty = o.body.Tty ?? false
  const keys = await detachKeys(o, tty)
  let session
  let waiter
  try {
    const [hijacked, wait] = await Promise.all([
      containers.attach(id, { stdin, stdout, stderr, detachKeys: o.detachKeys }),
      containers.wait(id, o.rm ? 'removed' : 'next-exit'),
    ])
    waiter = wait
    session = await openSession({
      stream: hijacked.stream,
      tty,
      stdin,
      output: stdout || stderr,
      detachKeys: keys,
      resize: (size) => containers.resize(id, size),
    })
  } catch (error) {
    await discard(context.client, id, o.rm)
    throw failed(context, error, 125)
  }
  try {
    await containers.start(id)
  } catch (error) {
    session.close()
    if (o.rm) await discard(context.client, id, true)
    throw failed(context, error, startCode(error))
  }
  session.started()
  if ((await session.ended) === 'detached') return 0
  return exitCode(context, await waiter.result)
}

/** Docker: the sequence is looked for only where a person types. */
async function detachKeys(o: Attached, tty: boolean): Promise<string> {
  if (!tty || !o.streams.stdin) return ''
  const { defaultDetachKeys } = await import('../terminal.ts')
  return o.detachKeys || defaultDetachKeys
}

/** Ends that the program's own output cannot explain: it did not run, or the kernel took it away. */
const unexplained: ReadonlySet<string | undefined> = new Set([
  'interpreter',
  'architecture',
  'line-ends',
  'format',
  'memory-limit',
  'host-memory',
])

function exitCode(context: Context, result: WaitResponse): number {
  if (unexplained.has(result.Reason?.Kind)) context.err(`gantry: ${result.Reason?.Text}\n`)
  if (!result.Error?.Message) return result.StatusCode
  context.err(`Error waiting for container: ${result.Error.Message}\n`)
  return 125
}

/** With `--rm`, a container that never ran is not left behind. */
async function discard(client: Client, id: string, rm: boolean): Promise<void> {
  if (!rm) return
  try {
    await client.containers.remove(id, { force: true, volumes: true })
  } catch (error) {
    // The daemon removes it itself when its start fails.
    if (!(error instanceof DaemonError) || (error.status !== 404 && error.status !== 409)) throw error
  }
}

/** Docker: 127 when the program was not found, 126 when it could not be run, else 125. */
function startCode(error: unknown): number {
  const text = messageOf(error)
  if (/executable file not found|no such file or directory/i.test(text)) return 127
  if (/permission denied|is a directory/i.test(text)) return 126
  return 125
}

function withHelp<T>(context: Context, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw failed(context, error, 125)
  }
}

function failed(context: Context, error: unknown, code: number): ExitError {
  return new ExitError(
    code,
    `gantry: ${describeError(error)}\n\nRun '${context.path} --help' for more information`,
  )
}
