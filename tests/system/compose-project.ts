/** A Compose project of one file, and the commands for it. */
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { system } from './harness.ts'

/** Ends when it is asked to. */
const polite = ['sh', '-c', "trap 'echo term; exit 0' TERM; echo up; while :; do sleep 1000 & wait $$!; done"]
export const service = (more: object = {}) => ({ image: 'busybox', command: polite, ...more })

/** `content` without the name. */
export function composeProject(s: ReturnType<typeof system>, content: object, name = 'demo') {
  const folder = mkdtempSync(join(s.daemon.home, 'c-'))
  const file = join(folder, 'compose.yaml')
  const write = (changed: object) => writeFileSync(file, JSON.stringify({ name, ...changed }))
  write(content)
  const argv = (...args: string[]) => ['compose', '-f', file, ...args]
  return {
    folder,
    write,
    argv,
    ok: (...args: string[]) => s.ok(...argv(...args)),
    fails: (code: number, text: RegExp, ...args: string[]) => s.fails(code, text, ...argv(...args)),
    /** What is told of the work. */
    told: async (...args: string[]) => {
      const result = await s.run(argv(...args))
      assert.equal(result.code, 0, result.stderr)
      return result.stderr
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '')
    },
  }
}
