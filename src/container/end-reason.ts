/** Why a container's process ended, in one sentence: for `why`, `inspect`, `ps` and the die event. Pure. */
import type { OomVictim } from '../host/kernel-log.ts'
import { signalMeaning, signalName } from '../lib/signals.ts'
import { humanBinarySize } from '../lib/units.ts'
import type { EndReason } from '../wire/container.ts'
import type { CommandFault } from './command-fault.ts'
import type { EndRequest } from './end-request.ts'

export interface EndFacts {
  readonly exitCode: number
  readonly request: EndRequest | undefined
  /** Set when the kernel killed something in it for want of memory. */
  readonly oom: { readonly victims: readonly OomVictim[]; readonly cgroup: string } | undefined
  /** Its own limit in bytes; 0 for none. */
  readonly memoryLimit: number
  /** What is wrong with the command itself, where that was looked for. */
  readonly fault: CommandFault | undefined
  /** Nobody saw it end. */
  readonly unseen: boolean
}

export function endReason(o: EndFacts): EndReason {
  if (o.request) return requested(o.request, o.exitCode)
  if (o.oom && o.exitCode !== 0) return outOfMemory(o.oom, o)
  if (o.unseen)
    return {
      Kind: 'unseen',
      Text: 'nobody saw its end: its monitor (conmon) was killed as well, or the host went down',
    }
  if (o.fault) return { Kind: o.fault.kind, Text: o.fault.text }
  if (o.exitCode === 0) return { Kind: 'exit', Text: 'it ended by itself with code 0: its command was done' }
  if (o.exitCode > 128 && o.exitCode <= 128 + 64) return signalled(o.exitCode - 128)
  const hint =
    o.exitCode === 127
      ? ': a shell in it says so when it does not find a command; see its log'
      : o.exitCode === 126
        ? ': a shell in it says so when it may not run a command; see its log'
        : '; see its log'
  return { Kind: 'exit', Text: `it ended by itself with code ${o.exitCode}${hint}` }
}

function requested(request: EndRequest, exitCode: number): EndReason {
  const name = signalName(request.signal)
  const who = {
    user: `the user sent ${name}`,
    restart: `the user restarted it (${name})`,
    shutdown: `the daemon was shut down (${name})`,
  }[request.by]
  const { forced } = request
  if (forced?.because === 'deaf')
    return {
      Kind: 'deaf',
      Text: `killed at once: its first process has no handler for ${name}, and the kernel keeps that from a PID 1 which has none. Handle it, start the program without a shell around it (exec form), or use --init`,
    }
  if (forced?.because === 'timeout')
    return {
      Kind: 'stop-timeout',
      Text: `${who}, and it was killed when it still ran ${forced.grace} s later`,
    }
  const after = exitCode === 128 + request.signal ? '' : `, and it ended with code ${exitCode}`
  return { Kind: request.signal === 9 ? 'killed' : 'stopped', Text: who + after }
}

function outOfMemory(oom: NonNullable<EndFacts['oom']>, o: EndFacts): EndReason {
  const victim = oom.victims.at(-1)
  const whom = victim ? `${victim.name} (pid ${victim.pid})` : 'a process of it'
  const held = victim?.held === undefined ? '' : `, which held ${humanBinarySize(victim.held)},`
  const after = o.exitCode === 137 ? '' : `; it ended with code ${o.exitCode} then`
  const own = victim ? victim.limitOf?.startsWith(oom.cgroup) === true : o.memoryLimit > 0
  if (own)
    return {
      Kind: 'memory-limit',
      Text: `memory limit: the kernel killed ${whom}${held} at the container's limit of ${humanBinarySize(o.memoryLimit)}${after}. Raise --memory, or let it use less`,
    }
  if (victim?.limitOf !== undefined)
    return {
      Kind: 'memory-limit',
      Text: `memory limit: the kernel killed ${whom}${held} at the limit of the cgroup ${victim.limitOf}, which the container shares with others${after}`,
    }
  return {
    Kind: 'host-memory',
    Text: `the host ran out of memory: its OOM killer chose ${whom}${held}${after}. Give containers limits (--memory), or the host more memory`,
  }
}

function signalled(signal: number): EndReason {
  const name = signalName(signal)
  if (signal === 9)
    return {
      Kind: 'signal',
      Text: 'killed by SIGKILL, which was not sent through Gantry: by somebody on the host, or from inside (or it ended with code 137 by itself)',
    }
  const meaning = signalMeaning(signal)
  return {
    Kind: 'signal',
    Text: `ended by ${name}${meaning === undefined ? '' : ` (${meaning})`}, which was not sent through Gantry`,
  }
}
