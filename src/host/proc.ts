import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'

/** Clock ticks after boot at which the process started: with the pid it names a process for ever. Undefined when gone. */
export function startTime(pid: number): number | undefined {
  const fields = statFields(pid)
  // A zombie has ended; only its parent has not noticed yet.
  if (!fields || fields[0] === 'Z' || fields[0] === 'X') return undefined
  return Number(fields[19])
}

/** Whether the process exists and has not ended (a zombie has). */
export function isAlive(pid: number): boolean {
  return startTime(pid) !== undefined
}

/**
 * Whether a signal sent to this process as PID 1 of its namespace has any effect: the kernel drops a signal to PID 1 that has
 * its default action. True for SIGKILL and SIGSTOP; true also for a blocked signal, which PID 1 may take with
 * sigwait or signalfd, and for one that it waits for right now (tini does little else). False when the process is gone.
 */
export function handlesSignal(pid: number, signal: number): boolean {
  const status = readProc(pid, 'status')
  if (status === undefined) return false
  if (signal === 9 || signal === 19) return true
  const bit = 1n << BigInt(signal - 1)
  const mask = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`)
  return ((mask('SigCgt') | mask('SigBlk')) & bit) !== 0n || awaitsSignal(pid, bit)
}

/** rt_sigtimedwait(2): sigwait, sigwaitinfo. */
const sigtimedwait: Readonly<Record<string, number>> = { x64: 128, arm64: 137 }

/** While a process is in sigwait, the kernel does not show the signals that it waits for as blocked: they are in the call. */
function awaitsSignal(pid: number, bit: bigint): boolean {
  try {
    const [number = '', set = ''] = (readProc(pid, 'syscall') ?? '').split(' ')
    if (Number(number) !== sigtimedwait[process.arch]) return false
    return (readWord(pid, BigInt(set)) & bit) !== 0n
  } catch (error) {
    // It went on, or ended, while we looked.
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EIO', 'EFAULT')) return false
    // Nobody says what it is doing: it is given its time.
    if (hasCode(error, 'EPERM', 'EACCES')) return true
    throw error
  }
}

/** 64 bits of another process's memory. */
function readWord(pid: number, address: bigint): bigint {
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    const word = Buffer.alloc(8)
    readSync(memory, word, 0, word.length, address)
    return word.readBigUInt64LE()
  } finally {
    closeSync(memory)
  }
}

/** A process, its parent, and the session it is in, by the pids of this namespace. */
export interface Kin {
  readonly pid: number
  readonly parent: number
  readonly session: number
}

/** Those of the given processes that descend from `root`, are in the session that it leads, or are itself; none that has ended. */
export function familyOf(root: number, pids: readonly number[]): Kin[] {
  const kin = new Map<number, Kin>()
  for (const pid of pids) {
    const fields = statFields(pid)
    if (!fields || fields[0] === 'Z' || fields[0] === 'X') continue
    kin.set(pid, { pid, parent: Number(fields[1]), session: Number(fields[3]) })
  }
  const descends = (member: Kin | undefined): boolean =>
    member !== undefined &&
    (member.pid === root || member.parent === root || descends(kin.get(member.parent)))
  return [...kin.values()].filter((member) => member.session === root || descends(member))
}

/** The name a process shows in `ps -o comm`, and its user by name (or number). Undefined when gone. */
export function describeProcess(pid: number): { name: string; user: string } | undefined {
  const status = readProc(pid, 'status')
  if (status === undefined) return undefined
  const name = /^Name:\s*(.*)$/m.exec(status)?.[1] ?? '?'
  const uid = /^Uid:\s*(\d+)/m.exec(status)?.[1] ?? '?'
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.split(':')[2] === uid)
  return { name, user: entry?.split(':')[0] ?? uid }
}

/** How many descriptors this process may have open. */
export function openFilesLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1024)
}

/** The capabilities that this process has and can therefore give, as `CAP_…`. */
export function ownCapabilities(): string[] {
  const mask = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  )
  return capabilityNames.filter((_, bit) => (mask >> BigInt(bit)) & 1n)
}

/** By number (linux/capability.h). */
export const capabilityNames: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`)

/** Fields of /proc/PID/stat from the state on (proc_pid_stat(5) counts it as the third). */
function statFields(pid: number): string[] | undefined {
  const text = readProc(pid, 'stat')
  // The name before it may hold anything, parentheses included.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined
    throw error
  }
}
