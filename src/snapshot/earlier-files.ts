/**
 * A COPY that copies what an earlier one did, but for a few files, makes no second copy of the rest: those files are hard links
 * to the earlier layer's. Layers are never written to, so nobody can tell but by the number of links.
 */
import { copyTree, type EarlierCopy } from '../host/copy.ts'
import { SyscallError } from '../host/libc.ts'
import { RootDir } from '../host/root-dir.ts'
import type { EarlierFiles, Jobs } from './jobs.ts'

/** Nothing where the target is reached through a symlink: names in a layer are those of the directories themselves. */
export function openEarlier(
  to: RootDir,
  files: EarlierFiles,
): (EarlierCopy & Disposable & { changed?: string }) | undefined {
  const parts = files.target.split('/').filter((part) => part !== '')
  for (const index of parts.keys()) {
    const stat = to.tryLstat(parts.slice(0, index + 1).join('/'))
    if (stat && stat.kind !== 'directory') return undefined
  }
  const base = parts.map((part) => `${part}/`).join('')
  // A directory that is there must be in the layer, for links to be made in it later: changing it copies it up.
  const stat = parts.length > 0 ? to.tryLstat(parts.join('/')) : undefined
  if (stat) to.chmod(parts.join('/'), stat.mode)
  const root = RootDir.open(files.dir, { symlinks: false, cache: true })
  return {
    root,
    targets: new Set(files.paths.map((path) => Buffer.from(base + path).toString('latin1'))),
    noted: [],
    ...(stat && { changed: Buffer.from(parts.join('/')).toString('latin1') }),
    [Symbol.dispose]: () => root[Symbol.dispose](),
  }
}

export function linkFiles(input: Jobs['link']['in'], check: () => void): void {
  using from = RootDir.open(input.from, { symlinks: false, cache: true })
  using to = RootDir.open(input.to, { symlinks: false, cache: true })
  const byDirectory = Map.groupBy(input.linked, (path) => path.slice(0, Math.max(0, path.lastIndexOf('/'))))
  for (const [directory, paths] of byDirectory) {
    const where = Buffer.from(directory === '' ? '.' : directory, 'latin1')
    const { mtimeSec: sec, mtimeNsec: nsec } = to.lstat(where)
    for (const path of paths) {
      check()
      link(from, to, Buffer.from(path, 'latin1'))
    }
    if (directory !== input.changed) to.utimes(where, { sec, nsec })
  }
}

function link(from: RootDir, to: RootDir, path: Buffer): void {
  try {
    to.linkFrom(from, path)
  } catch (error) {
    // A file system sets a limit to the links of one file.
    if (!(error instanceof SyscallError) || error.code !== 'EMLINK') throw error
    copyTree({ from, to, source: path, target: path, fidelity: 'exact' })
  }
}
