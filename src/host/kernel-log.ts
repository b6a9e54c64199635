import { closeSync, constants, openSync, readSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'

/** A process that the kernel killed for want of memory. */
export interface OomVictim {
  readonly pid: number
  /** As `ps -o comm` shows it: the first 15 bytes. */
  readonly name: string
  /** The cgroup whose limit was reached; undefined when the whole host had no memory left. */
  readonly limitOf: string | undefined
  /** Memory that it held. Bytes. */
  readonly held?: number
}

/** The kernel's buffer has some thousands of records; a read takes a microsecond. */
const maxRecords = 50_000

/**
 * Processes of a cgroup that the kernel has killed for want of memory, the last one last. Empty when its log says nothing of
 * them: it may not be read (dmesg_restrict in a user namespace), or has been overwritten.
 */
export function oomVictims(cgroup: string): OomVictim[] {
  return victimsIn(kernelLog(), cgroup)
}

export function victimsIn(lines: Iterable<string>, cgroup: string): OomVictim[] {
  const found = new Map<number, OomVictim>()
  for (const line of lines) {
    const kill =
      /;oom-kill:constraint=(\w+),.*?(?:oom_memcg=([^,]*),)?task_memcg=([^,]*),task=(.*),pid=(\d+),uid=/.exec(
        line,
      )
    if (kill) {
      const [, constraint, limitOf, of = '', name = '', pid] = kill
      if (of !== cgroup && !of.startsWith(`${cgroup}/`)) continue
      const limited = constraint === 'CONSTRAINT_MEMCG'
      found.set(Number(pid), { pid: Number(pid), name, limitOf: limited ? limitOf : undefined })
      continue
    }
    const size = /Killed process (\d+) .*anon-rss:(\d+)kB, file-rss:(\d+)kB, shmem-rss:(\d+)kB/.exec(line)
    const victim = found.get(Number(size?.[1]))
    if (!size || !victim) continue
    const held = (Number(size[2]) + Number(size[3]) + Number(size[4])) * 1024
    found.set(victim.pid, { ...victim, held })
  }
  return [...found.values()]
}

/** One record a read, oldest first. */
function* kernelLog(): Generator<string> {
  let fd
  try {
    fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EPERM', 'EACCES')) return
    throw error
  }
  try {
    const record = Buffer.alloc(8192)
    for (let count = 0; count < maxRecords; count++) {
      try {
        yield record.toString('utf8', 0, readSync(fd, record))
      } catch (error) {
        // The oldest ones were overwritten while we read: the next read goes on with what is there.
        if (hasCode(error, 'EPIPE')) continue
        if (hasCode(error, 'EAGAIN', 'EINVAL', 'EPERM')) return
        throw error
      }
    }
  } finally {
    closeSync(fd)
  }
}
