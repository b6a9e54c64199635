/** What docker compose printed for each case, and what Gantry says where a case must fail. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from './cases.ts'

export interface Expected {
  /** Standard output, with `$DIR` for the folder of the case. */
  readonly out: string
  /** What docker compose says when it refuses; empty when it does not. */
  readonly docker: string
  /** What Gantry says when it refuses. */
  readonly fault: string
}

function path(group: string): string {
  return join(folder, 'expected', `${group}.txt`)
}

export function readExpected(group: string): ReadonlyMap<string, Expected> {
  if (!existsSync(path(group))) return new Map()
  return new Map(
    readFileSync(path(group), 'utf8')
      .split(/^=== /m)
      .slice(1)
      .map((part) => {
        const [name = '', ...rest] = part.split('\n')
        const lines = (key: string) =>
          rest
            .filter((line) => line.startsWith(`${key}: `))
            .map((line) => line.slice(key.length + 2))
            .join('\n')
        const out = rest.filter((line) => line.startsWith('| ') || line === '|').map((line) => line.slice(2))
        return [
          name,
          { out: out.map((line) => `${line}\n`).join(''), docker: lines('docker'), fault: lines('fault') },
        ]
      }),
  )
}

export function writeExpected(group: string, all: ReadonlyMap<string, Expected>): void {
  const lines = (prefix: string, text: string) =>
    text === ''
      ? ''
      : `${text
          .replace(/\n$/, '')
          .split('\n')
          .map((line) => (line === '' ? prefix.trimEnd() : prefix + line))
          .join('\n')}\n`
  const parts = Array.from(all, ([name, { out, docker, fault }]) =>
    [`=== ${name}\n`, lines('docker: ', docker), lines('fault: ', fault), lines('| ', out)].join(''),
  )
  writeFileSync(path(group), parts.join('\n'))
}
