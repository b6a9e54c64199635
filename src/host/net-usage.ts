import { readFileSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'

export interface Traffic {
  readonly bytes: number
  readonly packets: number
  readonly errors: number
  readonly dropped: number
}

/** By interface, as those in the namespace see it; without the loopback. */
export type NetUsage = Readonly<Record<string, { readonly received: Traffic; readonly sent: Traffic }>>

/** Of the network namespace of a process; undefined when that is gone. */
export function netUsageOf(pid: number): NetUsage | undefined {
  try {
    return parseNetDev(readFileSync(`/proc/${pid}/net/dev`, 'utf8'))
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EINVAL')) return undefined
    throw error
  }
}

/** Decodes proc_pid_net(5)'s `dev`. */
export function parseNetDev(text: string): NetUsage {
  const found: Record<string, { received: Traffic; sent: Traffic }> = {}
  for (const line of text.split('\n')) {
    const match = /^\s*([^:|\s]+):\s*(.*)$/.exec(line)
    if (!match || match[1] === 'lo') continue
    const n = (match[2] ?? '').trim().split(/\s+/).map(Number)
    const traffic = (at: number): Traffic => ({
      bytes: n[at] ?? 0,
      packets: n[at + 1] ?? 0,
      errors: n[at + 2] ?? 0,
      dropped: n[at + 3] ?? 0,
    })
    found[match[1] ?? ''] = { received: traffic(0), sent: traffic(8) }
  }
  return found
}
