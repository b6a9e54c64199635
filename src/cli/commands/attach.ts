import type { ContainerInspect } from '../../wire/container.ts'
import { command, ExitError, forEach, type Context } from '../command.ts'
import { bool, string } from '../flags.ts'
import type { Size } from '../terminal.ts'

export const attach = command({
  usage: '[OPTIONS] CONTAINER',
  arguments: [1, 1],
  flags: {
    'detach-keys': string('Override the key sequence for detaching a container'),
    'no-stdin': bool('Do not attach STDIN'),
    'sig-proxy': bool('Proxy all received signals to the process', { initial: true }),
  },
  run: (context, flags, [name = '']) =>
    attachTo(context, name, {
      stdin: !flags['no-stdin'],
      proxy: flags['sig-proxy'],
      detachKeys: flags['detach-keys'],
    }),
})

/** Our standard streams for those of a running container; returns its exit code. */
export async function attachTo(
  context: Context,
  name: string,
  o: Pick<Follow, 'stdin' | 'proxy' | 'detachKeys'>,
): Promise<number> {
  const container = await context.client.containers.inspect(name)
  const { State: state } = container
  if (state.Paused) throw new ExitError(1, 'You cannot attach to a paused container, unpause it first')
  if (state.Restarting)
    throw new ExitError(1, 'You cannot attach to a restarting container, wait until it is running')
  if (!state.Running) throw new ExitError(1, 'You cannot attach to a stopped container, start it first')
  return followContainer(context, container, {
    stdin: o.stdin && (container.Config.OpenStdin ?? false),
    proxy: o.proxy && !container.Config.Tty,
    detachKeys: o.detachKeys,
    condition: 'not-running',
  })
}

export const start = command({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  arguments: [1, Infinity],
  flags: {
    attach: bool('Attach STDOUT/STDERR and forward signals', { short: 'a' }),
    // Docker: shown where the daemon has checkpoints.
    checkpoint: string('Restore from this checkpoint', { hidden: true }),
    'checkpoint-dir': string('Use a custom checkpoint storage directory', { hidden: true }),
    'detach-keys': string('Override the key sequence for detaching a container'),
    interactive: bool("Attach container's STDIN", { short: 'i' }),
  },
  async run(context, flags, names) {
    if (flags.checkpoint !== '' || flags['checkpoint-dir'] !== '')
      throw new ExitError(1, '--checkpoint and --checkpoint-dir: checkpoints are not supported')
    const { containers } = context.client
    if (!flags.attach && !flags.interactive) return startAll(context, names)
    if (names.length > 1) throw new ExitError(1, 'you cannot start and attach multiple containers at once')
    const name = names[0] ?? ''
    const container = await containers.inspect(name)
    return followContainer(context, container, {
      stdin: flags.interactive && (container.Config.OpenStdin ?? false),
      proxy: !container.Config.Tty,
      detachKeys: flags['detach-keys'],
      condition: container.HostConfig.AutoRemove ? 'removed' : 'next-exit',
      start: async () => {
        await containers.start(container.Id)
      },
    })
  },
})

async function startAll(context: Context, names: readonly string[]): Promise<number> {
  const failed: string[] = []
  await forEach(context, names, async (name) => {
    try {
      await context.client.containers.start(name)
      return name
    } catch (error) {
      failed.push(name)
      throw error
    }
  })
  if (failed.length === 0) return 0
  const inOrder = names.filter((name) => failed.includes(name))
  throw new ExitError(1, `Error: failed to start containers: ${inOrder.join(', ')}`)
}

interface Follow {
  readonly stdin: boolean
  readonly proxy: boolean
  readonly detachKeys: string
  readonly condition: 'not-running' | 'next-exit' | 'removed'
  readonly start?: () => Promise<void>
}

/** Attaches, starts when asked to, and ends with the container's exit code. */
export async function followContainer(
  context: Context,
  container: ContainerInspect,
  o: Follow,
): Promise<number> {
  const { containers } = context.client
  const { openSession, proxySignals } = await import('../session.ts')
  const id = container.Id
  const tty = container.Config.Tty ?? false
  const terminal = tty ? await import('../terminal.ts') : undefined
  terminal?.assertTerminalInput({ stdin: o.stdin, tty })
  const keys = o.detachKeys || context.config.detachKeys
  using _proxy = o.proxy ? proxySignals((signal) => containers.kill(id, signal)) : undefined
  const [{ stream }, waiter] = await Promise.all([
    containers.attach(id, { stdin: o.stdin, stdout: true, stderr: true, detachKeys: keys }),
    containers.wait(id, o.condition),
  ])
  const session = await openSession({
    stream,
    tty,
    stdin: o.stdin,
    output: true,
    detachKeys: terminal && o.stdin ? keys || terminal.defaultDetachKeys : '',
    resize: (size) => containers.resize(id, size),
  })
  try {
    await o.start?.()
  } catch (error) {
    session.close()
    throw error
  }
  if (!o.start) await redraw((size) => containers.resize(id, size), terminal?.terminalSize())
  session.started()
  if ((await session.ended) === 'detached') return 0
  const { StatusCode, Error: failure } = await waiter.result
  if (failure?.Message) throw new ExitError(1, failure.Message)
  return StatusCode
}

/** Docker: a program with a terminal writes its prompt again when the size changes; our own size follows. */
async function redraw(resize: (size: Size) => Promise<unknown>, size: Size | undefined): Promise<void> {
  // A container that ended meanwhile has nothing to draw.
  if (size) await resize({ rows: size.rows + 1, columns: size.columns + 1 }).catch(() => {})
}
