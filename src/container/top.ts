import { pidsOf } from '../host/cgroup.ts'
import { run } from '../host/spawn.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { TopResponse } from '../wire/container.ts'

/** Docker: the host's `ps` with the caller's options, kept to the processes of the cgroup. */
export async function top(op: Op, cgroup: string, psArgs: string): Promise<TopResponse> {
  const args = psArgs.trim() === '' ? ['-ef'] : psArgs.trim().split(/\s+/)
  const { stdout } = await run(op, ['ps', ...args])
  return filterProcesses(stdout, new Set(pidsOf(cgroup)))
}

/** Picks the rows whose PID column is in the set. The last column takes the rest of the line. */
export function filterProcesses(text: string, pids: ReadonlySet<number>): TopResponse {
  const [header = '', ...lines] = text.split('\n')
  const titles = header.trim().split(/\s+/)
  const column = titles.indexOf('PID')
  if (column < 0) throw new EngineError('invalid', "Couldn't find PID field in ps output")
  const processes: string[][] = []
  for (const line of lines) {
    const words = line.trim().split(/\s+/)
    if (!pids.has(Number(words[column]))) continue
    const last = titles.length - 1
    processes.push([...words.slice(0, last), words.slice(last).join(' ')])
  }
  return { Titles: titles, Processes: processes }
}
