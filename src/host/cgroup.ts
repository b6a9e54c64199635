import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { hasCode } from '../lib/errors.ts'
import { isMountPoint, mount, unmount } from './mount.ts'

/**
 * The one file that knows how cgroups are mounted. `v2`: one tree for all. `v1`: one tree for each controller.
 * `hybrid`: v1 with an empty v2 tree beside it. A cgroup is named by its path in the tree (`/gantry/3f2a…`), which is
 * the same in all of them.
 */
export type CgroupVersion = 'v1' | 'hybrid' | 'v2'

const root = '/sys/fs/cgroup'
const CGROUP2_SUPER_MAGIC = 0x63677270

let known: CgroupVersion | undefined

export function version(): CgroupVersion {
  known ??=
    statfsSync(root).type === CGROUP2_SUPER_MAGIC ? 'v2' : existsSync(join(root, 'unified')) ? 'hybrid' : 'v1'
  return known
}

/** The controllers that can limit something: `memory`, `cpu`, `pids`, … */
export function controllers(): string[] {
  if (version() === 'v2')
    return readFileSync(join(root, 'cgroup.controllers'), 'utf8').trim().split(' ').filter(Boolean)
  return readFileSync('/proc/cgroups', 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t')[0] ?? '')
    .filter((name) => existsSync(join(root, name)))
}

/** Whether the kernel counts swap, so that memory and swap can be limited together. */
export function hasSwapLimit(): boolean {
  if (version() !== 'v2') return existsSync(join(root, 'memory/memory.memsw.limit_in_bytes'))
  // The root has no such file; any child with the memory controller has it when swap is counted.
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
  return (
    own === '/' ||
    existsSync(join(root, own, 'memory.swap.max')) ||
    !existsSync(join(root, own, 'memory.max'))
  )
}

/** The directories of a cgroup that exist, one for each tree. */
export function directoriesOf(path: string): string[] {
  return trees()
    .map((tree) => join(tree, path))
    .filter((directory) => existsSync(directory))
}

/** A file of a cgroup, of one controller where each has a tree of its own; undefined when it is not there. */
export function readCgroup(path: string, controller: string, file: string): string | undefined {
  try {
    return readFileSync(join(root, version() === 'v2' ? '' : controller, path, file), 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) return undefined
    throw error
  }
}

/** The processes of a cgroup and of those below it. */
export function pidsOf(path: string): number[] {
  const pids = new Set<number>()
  for (const directory of directoriesOf(path)) collectPids(directory, pids)
  return [...pids]
}

/** How many processes the kernel has killed there for want of memory; undefined when the cgroup is gone or does not count. */
export function oomKills(path: string): number | undefined {
  const file =
    version() === 'v2' ? join(root, path, 'memory.events') : join(root, 'memory', path, 'memory.oom_control')
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1]
    return count === undefined ? undefined : Number(count)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return undefined
    throw error
  }
}

/** Whether all processes of the cgroup are frozen (`docker pause`). False when it is gone. */
export function isFrozen(path: string): boolean {
  const file =
    version() === 'v2' ? join(root, path, 'cgroup.freeze') : join(root, 'freezer', path, 'freezer.state')
  try {
    return ['1', 'FROZEN', 'FREEZING'].includes(readFileSync(file, 'utf8').trim())
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return false
    throw error
  }
}

/**
 * Removes a cgroup and those below it from every tree; one that is gone is no error. Its processes must have ended: the kernel
 * keeps it busy for a moment after that, hence a few tries before EBUSY is thrown.
 */
export async function removeTree(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      for (const directory of directoriesOf(path)) removeDirectory(directory)
      return
    } catch (error) {
      if (!hasCode(error, 'EBUSY') || attempt === 20) throw error
      await delay(10)
    }
  }
}

function trees(): string[] {
  if (version() === 'v2') return [root]
  // cpu may be a link to cpu,cpuacct: one directory, to be visited once.
  const seen = new Set<number>()
  return readdirSync(root)
    .map((name) => join(root, name))
    .filter((directory) => {
      const { dev } = statSync(directory)
      if (seen.has(dev)) return false
      seen.add(dev)
      return true
    })
}

function children(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

function collectPids(directory: string, into: Set<number>): void {
  for (const child of children(directory)) collectPids(child, into)
  try {
    for (const line of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n'))
      if (line !== '') into.add(Number(line))
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) throw error
  }
}

function removeDirectory(directory: string): void {
  for (const child of children(directory)) removeDirectory(child)
  try {
    rmdirSync(directory)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

/**
 * On a hybrid host: holds in version 1, where all the others are, those controllers that are nowhere in use, by mounting them
 * below `directory`. (crun refuses a hybrid host that has controllers in version 2; systemd mounts them so at boot.)
 * Returns which. Controllers in use in version 2 stay there. Undone by `releaseControllers`.
 */
export function claimLeftoverControllers(directory: string): string[] {
  if (version() !== 'hybrid') return []
  const inV2 = readFileSync(join(root, 'unified/cgroup.controllers'), 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
  // Those that another engine holds in the same way: they would fall back to version 2 when it ends.
  const held = readFileSync('/proc/cgroups', 'utf8')
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([name = '#', hierarchy = '0']) => !name.startsWith('#') && hierarchy !== '0')
    .map(([name = '']) => name)
    .filter((name) => name !== '' && !existsSync(join(root, name)))
  return [...new Set([...inV2, ...held])].filter((name) => {
    const target = join(directory, name)
    if (isMountPoint(target)) return true
    mkdirSync(target, { recursive: true, mode: 0o700 })
    try {
      mount({ source: 'cgroup', target, type: 'cgroup', data: name })
      return true
    } catch (error) {
      rmdirSync(target)
      if (hasCode(error, 'EBUSY', 'EINVAL')) return false
      throw error
    }
  })
}

/** Gives back what `claimLeftoverControllers` took. */
export function releaseControllers(directory: string): void {
  for (const target of children(directory)) {
    unmount(target)
    rmdirSync(target)
  }
}
