import { libc } from './libc.ts'

const cSetScheduler = libc.func('int sched_setscheduler(int pid, int policy, void *parameter)')

const SCHED_RR = 2
const SCHED_RESET_ON_FORK = 0x40000000

/**
 * Lets a process go first whenever it can run: for one that does little itself, and must be quicker than its children, who are
 * scheduled as everybody else. Where the system refuses, it waits for its turn.
 */
export function runFirst(pid: number): void {
  const priority = Buffer.alloc(4)
  priority.writeInt32LE(1)
  cSetScheduler(pid, SCHED_RR | SCHED_RESET_ON_FORK, priority)
}
