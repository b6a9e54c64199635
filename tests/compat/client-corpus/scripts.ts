import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

export const scripts = join(import.meta.dirname, 'scripts')

export const scriptNames = (): string[] =>
  readdirSync(scripts)
    .map((file) => basename(file, '.txt'))
    .toSorted()

/** Half of the time: a file of tests of their own, beside the others'. */
export const aboutContainers: readonly string[] = ['exec', 'lifecycle', 'logs', 'ps', 'run']
