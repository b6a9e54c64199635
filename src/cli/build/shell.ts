import type { BuildErrorEvent } from '../../wire/build.ts'
import type { Context } from '../command.ts'
import { describeError } from '../errors.ts'

/**
 * A shell (or a command) in the failed step of a build; its exit code. `tty` undefined: a terminal where we have one.
 */
export async function openBuildShell(
  context: Context,
  ref: string,
  o: { command: readonly string[]; tty?: boolean | undefined },
): Promise<number> {
  const { builds } = context.client
  // Undefined where it is none, whatever the types say.
  const tty = o.tty ?? Boolean(process.stdin.isTTY && process.stdout.isTTY)
  const terminal = tty ? await import('../terminal.ts') : undefined
  const size = terminal?.terminalSize()
  const { openSession } = await import('../session.ts')
  const { stream } = await builds.shell(ref, {
    tty,
    ...(o.command.length > 0 && { command: [...o.command] }),
    ...(size && { consoleSize: [size.rows, size.columns] as [number, number] }),
  })
  const session = await openSession({
    stream,
    tty,
    stdin: true,
    output: true,
    detachKeys: '',
    resize: (now) => builds.resizeShell(ref, now),
  })
  session.started()
  await session.ended
  const { exitCode } = await builds.shellState(ref)
  return exitCode ?? 1
}

/** A shell for whoever asked for one when a step fails; that it cannot be had is no worse than the failure. */
export async function lookIntoStep(context: Context, error: BuildErrorEvent): Promise<void> {
  if (error.build === undefined) return
  context.err('A shell in the failed step; the build ends with it.\n')
  try {
    await openBuildShell(context, error.build, { command: [] })
  } catch (cause) {
    context.err(`${describeError(cause)}\n`)
  }
}
