/** What the cases are to give, as files of lines: one file a group, `=== name` and what `buildCase()` says. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from './cases.ts'

const fileOf = (group: string) => join(folder, 'expected', `${group}.txt`)

export function readExpected(group: string): Map<string, string> {
  if (!existsSync(fileOf(group))) return new Map()
  const parts = readFileSync(fileOf(group), 'utf8').split(/^=== /m).slice(1)
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n')
      return [part.slice(0, end), part.slice(end + 1).trimEnd()]
    }),
  )
}

export function writeExpected(group: string, expected: ReadonlyMap<string, string>): void {
  const text = [...expected].map(([name, lines]) => `=== ${name}\n${lines}\n`).join('\n')
  writeFileSync(fileOf(group), text)
}
