import { readFileSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'

const established = '01'
const listening = '0A'

/** TCP connections to ports that are listened on, in the network namespace of a process; 0 when it is gone. */
export function servedConnections(pid: number): number {
  try {
    return countServed(['tcp', 'tcp6'].map((file) => readFileSync(`/proc/${pid}/net/${file}`, 'utf8')))
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EINVAL')) return 0
    throw error
  }
}

/** `tables`: as /proc/net/tcp has them. */
export function countServed(tables: readonly string[]): number {
  const rows = tables.flatMap((table) =>
    table
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/)),
  )
  const portOf = (fields: readonly string[]) => (fields[1] ?? '').split(':')[1] ?? ''
  const ports = new Set(rows.filter((fields) => fields[3] === listening).map(portOf))
  return rows.filter((fields) => fields[3] === established && ports.has(portOf(fields))).length
}
