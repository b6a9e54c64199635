import { setTimeout as delay } from 'node:timers/promises'
import { hasCode } from '../lib/errors.ts'
import { familyOf } from './proc.ts'

/** Rounds in which only the last of each line are killed, so that their parents, being alive, take their exit status. */
const politeRounds = 5
const roundMs = 20
const maxRounds = 50

/**
 * Kills a process and everything that it started, as far as it is among the given ones: what descends from it, and what is in
 * the session that it leads. From the leaves up: an orphan is its PID namespace's PID 1's to wait for, and many a container's
 * never does. Returns when all have gone or hang in the kernel.
 */
export async function killTree(root: number, o: { among(): readonly number[] }): Promise<void> {
  for (let round = 0; round < maxRounds; round++) {
    const family = familyOf(root, o.among())
    if (family.length === 0) return
    const parents = new Set(family.map((member) => member.parent))
    for (const { pid } of family) if (round >= politeRounds || !parents.has(pid)) sendKill(pid)
    await delay(roundMs)
  }
}

function sendKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
}
