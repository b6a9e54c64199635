import { posix } from 'node:path'
import { EngineError } from '../lib/errors.ts'
import type { RootDir } from '../host/root-dir.ts'

/** As many as the kernel follows. */
const maxLinks = 40

/**
 * An absolute path in a tree without the symlinks in it, as far as anything is there: what is missing stays as it is written.
 * The answer is a name, not a promise: whoever uses it goes through the tree again.
 */
export function evaluateLinks(root: Pick<RootDir, 'tryLstat' | 'readlink'>, path: string): string {
  const rest = parts(path)
  const done: string[] = []
  let links = 0
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    if (part === '..') {
      done.pop()
      continue
    }
    const here = posix.join('/', ...done, part)
    if (root.tryLstat(here)?.kind !== 'symlink') {
      done.push(part)
      continue
    }
    if (++links > maxLinks) throw new EngineError('invalid', `too many levels of symbolic links in ${path}`)
    const target = root.readlink(here).toString()
    if (target.startsWith('/')) done.length = 0
    rest.unshift(...parts(target))
  }
  return posix.join('/', ...done)
}

const parts = (path: string) => path.split('/').filter((part) => part !== '' && part !== '.')
