import { oomVictims } from '../host/kernel-log.ts'
import { hostPlatform } from '../image/index.ts'
import { kindOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { RuntimeStartError } from '../runtime/index.ts'
import type { EndReason } from '../wire/container.ts'
import { commandFault, defaultPath, type CommandFault } from './command-fault.ts'
import { CommandTree } from './command-tree.ts'
import type { Container } from './container.ts'
import type { Exit } from './end.ts'
import { endReason } from './end-reason.ts'
import { answered } from './end-request.ts'
import { cgroupOf, type Host } from './host.ts'
import { limitFault } from './limit-fault.ts'

/** What the runtime or a shell says when the command cannot be run; crun says 1. */
const faultCodes: ReadonlySet<number> = new Set([1, 126, 127, 255])
/** A command that cannot be run has ended by then. Milliseconds. */
const faultTime = 3000

/** Gathers the traces of an end while they are there: the root file system and the kernel's log. */
export function reasonOf(op: Op, host: Host, c: Container, exit: Exit & { startedAt: string }): EndReason {
  const at = exit.finishedAt.getTime()
  const request = answered(c.record.endRequest, at)
  const cgroup = cgroupOf(host, c)
  const quick = at - Date.parse(exit.startedAt) < faultTime
  const fault = !request && quick && faultCodes.has(exit.exitCode) ? faultOf(op, host, c) : undefined
  return endReason({
    exitCode: exit.exitCode,
    request,
    oom: exit.oomKilled && !request ? { victims: oomVictims(cgroup), cgroup } : undefined,
    memoryLimit: c.hostConfig.Memory ?? 0,
    // The others are found before a process is made of it.
    fault: fault && !['not-found', 'permission', 'directory'].includes(fault.kind) ? fault : undefined,
    unseen: exit.unseen === true,
  })
}

/** A start that failed for the command's sake, with what is wrong with it in the message's second line. */
export class CommandError extends RuntimeStartError {
  readonly fault: CommandFault

  constructor(error: RuntimeStartError, fault: CommandFault) {
    super(`${error.message}\n${fault.text}`, error.exitCode)
    this.fault = fault
  }
}

/** The failure of a start, explained where the command or a limit is to blame; else as it is. Its root is still mounted. */
export function explained(op: Op, host: Host, c: Container, error: unknown): unknown {
  if (!(error instanceof RuntimeStartError)) return error
  if (error.exitCode === 125) {
    const blamed = limitFault(error.message, c.hostConfig)
    return blamed === undefined ? error : new RuntimeStartError(`${error.message}\n${blamed}`, 125)
  }
  const fault = faultOf(op, host, c)
  return fault ? new CommandError(error, fault) : error
}

/** What is wrong with the container's command, as long as its root is mounted. */
function faultOf(op: Op, host: Host, c: Container): CommandFault | undefined {
  try {
    const env = c.config.Env ?? []
    const path = env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length)
    using tree = new CommandTree(host.snapshots.mergedPath(c.id), c.record.mounts)
    return commandFault({
      tree,
      program: c.path,
      cwd: c.config.WorkingDir || '/',
      path: path ?? defaultPath,
      hostArchitecture: hostPlatform().architecture,
    })
  } catch (error) {
    // An explanation must not stand in the way of the end that it explains.
    op.log.debug('cannot look at the command', { id: c.id, kind: kindOf(error), error })
    return undefined
  }
}
