/**
 * From a container's mount records to what the OCI runtime binds. Where a plain bind will not do (a path inside a volume, other
 * ids, an image), the mount is made here first, in a folder of the container's, and bound from there.
 */
import { closeSync, constants, fstatSync, realpathSync, statSync } from 'node:fs'
import { mkdir, readdir, rmdir, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { MNT_DETACH, mounts, mountsUnder, unmount, type MountEntry } from '../host/mount.ts'
import { bindDescriptor, hasMountSetattr, type IdMap, type IdRange } from '../host/mount-tree.ts'
import { RootDir } from '../host/root-dir.ts'
import { resolveUser, type OciMount } from '../runtime/index.ts'
import { runVolumeJob } from '../volume/index.ts'
import type { Container } from './container.ts'
import type { Host } from './host.ts'
import { checkSource } from './mounts.ts'
import { ownsSharedShm } from './namespaces.ts'
import type { MountRecord } from './record.ts'
import { isLive } from './state.ts'

/** Linux's O_PATH, which Node does not name. */
const O_PATH = 0o10000000

/** Everything that these mounts need is in place when it returns; `releaseMounts` takes it away, also after a failure here. */
export async function setUpMounts(op: Op, host: Host, c: Container, rootfs: string): Promise<OciMount[]> {
  const made: OciMount[] = []
  // Read once, and again when something was mounted since.
  let table: MountEntry[] | undefined
  for (const [index, mount] of c.record.mounts.entries()) {
    if (mount.type === 'tmpfs') {
      made.push(tmpfs(mount))
      continue
    }
    const source = await sourceOf(op, host, c, { mount, index })
    if (mount.chown) await giveAway(op, { mount, source, owner: userOf(c, rootfs) })
    const path = isStaged(mount) ? await stage(op, c, { mount, index, source, rootfs }) : source
    if (mount.type !== 'bind' || isStaged(mount)) table = undefined
    table ??= mounts()
    const below = mountOf(path, table)
    if (mount.type === 'bind' && !isStaged(mount)) checkPropagation(mount, below)
    made.push({
      destination: mount.destination,
      source: path,
      type: 'bind',
      options: [
        mount.recursive ? 'rbind' : 'bind',
        propagationOption(mount),
        ...kept(below),
        ...(mount.readOnly ? [readOnlyOption(mount, path)] : []),
      ],
    })
    if (mount.volume !== undefined) report(host, c, { mount, action: 'mount' })
  }
  return made
}

/** What the mounts of a running container bind, as `setUpMounts` left it. A tmpfs is the container's alone. */
export async function runningMounts(op: Op, host: Host, c: Container): Promise<OciMount[]> {
  const made: OciMount[] = []
  for (const [index, mount] of c.record.mounts.entries()) {
    if (mount.type === 'tmpfs') continue
    made.push({
      destination: mount.destination,
      source: isStaged(mount) ? stagedPath(c, index) : await sourceOf(op, host, c, { mount, index }),
      type: 'bind',
      options: [mount.recursive ? 'rbind' : 'bind', ...(mount.readOnly ? ['ro'] : [])],
    })
  }
  return made
}

/** Idempotent, also for what an earlier daemon left. */
export async function releaseMounts(op: Op, host: Host, c: Container): Promise<void> {
  if (c.record.mounts.some(isStaged) || ownsSharedShm(c)) await clearStaged(c.mountsDirectory)
  for (const [index, mount] of c.record.mounts.entries()) {
    if (mount.image) await host.snapshots.remove(op, imageWorkspace(c, index))
    if (mount.volume === undefined) continue
    await host.volumes.release(op, mount.volume, c.id)
    if (isLive(c.state)) report(host, c, { mount, action: 'unmount' })
  }
}

const stagedPath = (c: Container, index: number) => join(c.mountsDirectory, String(index))
const isStaged = (mount: MountRecord) => mount.subpath !== undefined || mount.idMap !== undefined

/** Docker's events of volumes. */
function report(
  host: Host,
  c: Container,
  { mount, action }: { mount: MountRecord; action: 'mount' | 'unmount' },
): void {
  const about: Record<string, string> = { container: c.id, driver: 'local' }
  if (action === 'mount') {
    about['destination'] = mount.destination
    about['propagation'] = mount.propagation
    about['read/write'] = String(!mount.readOnly)
  }
  host.emit({ type: 'volume', action, id: mount.volume ?? '', attributes: about })
}

/** Ids of the workspaces in which a container's images are mounted. */
export function imageWorkspaces(c: Container): string[] {
  return c.record.mounts.flatMap((mount, index) => (mount.image ? [imageWorkspace(c, index)] : []))
}

const imageWorkspace = (c: Container, index: number) => `${c.id}-image-${index}`

/** The folders of containers that do not run, after a crash. */
export async function sweepStaged(directory: string, live: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(directory).catch(ifMissing<string[]>([])))
    if (!live.has(join(directory, name))) await clearStaged(join(directory, name))
}

async function sourceOf(
  op: Op,
  host: Host,
  c: Container,
  { mount, index }: { mount: MountRecord; index: number },
): Promise<string> {
  if (mount.volume !== undefined) return host.volumes.hold(op, mount.volume, c.id)
  if (!mount.image) {
    await checkSource(mount)
    return mount.source
  }
  const workspace = imageWorkspace(c, index)
  await host.snapshots.prepare(op, workspace, { lowers: mount.image.layers })
  return host.snapshots.mount(op, workspace, mount.image.layers)
}

const userOf = (c: Container, rootfs: string) => resolveUser(rootfs, c.config.User ?? '', [])

/** `:U`. Folders that the host itself lives of are never given away. */
async function giveAway(
  op: Op,
  { mount, source, owner }: { mount: MountRecord; source: string; owner: { uid: number; gid: number } },
): Promise<void> {
  const { uid, gid } = owner
  const real = realpathSync(source)
  if (mount.type === 'bind' && (real === '/' || vital.test(real)))
    throw new EngineError('invalid', `U would change the owner of ${real}, which belongs to the host`)
  if (mount.subpath !== undefined)
    return runVolumeJob(op, { kind: 'chown', root: source, path: mount.subpath, uid, gid })
  const isFile = !statSync(real).isDirectory()
  const root = isFile ? dirname(real) : real
  await runVolumeJob(op, { kind: 'chown', root, path: isFile ? basename(real) : '.', uid, gid })
}

const vital =
  /^\/(bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|root|run|sbin|sys|usr|var|home|opt|srv|tmp|mnt|media)$|^\/(usr|boot|dev|proc|sys|etc|bin|lib|lib64|sbin)\//

/** Resolved by the kernel inside the volume: what a container wrote there leads nowhere else. */
async function stage(
  op: Op,
  c: Container,
  o: { mount: MountRecord; index: number; source: string; rootfs: string },
): Promise<string> {
  const { mount, index, source, rootfs } = o
  if (!['', 'private', 'rprivate'].includes(mount.propagation))
    throw new EngineError('unsupported', `idmap with the propagation ${mount.propagation} is not supported`)
  const target = stagedPath(c, index)
  await mkdir(c.mountsDirectory, { recursive: true, mode: 0o700 })
  using root = RootDir.open(mount.subpath === undefined ? '/' : source)
  const path = mount.subpath ?? source
  let fd: number
  try {
    fd = root.openFile(path, O_PATH)
  } catch (cause) {
    const why = hasCode(cause, 'ENOENT') ? 'no such file or directory' : messageOf(cause)
    throw new EngineError('invalid', `cannot access path ${join(source, mount.subpath ?? '')}: ${why}`, {
      cause,
    })
  }
  try {
    if (fstatSync(fd).isDirectory()) await mkdir(target, { recursive: true })
    else await writeFile(target, '', { flag: constants.O_CREAT })
    const idMap = idMapOf(mount, rootfs, c)
    await bindDescriptor(op, {
      fd,
      target,
      recursive: mount.recursive,
      what: join(source, mount.subpath ?? ''),
      ...(idMap && { idMap }),
    })
    return target
  } finally {
    closeSync(fd)
  }
}

function idMapOf({ idMap }: MountRecord, rootfs: string, c: Container): IdMap | undefined {
  if (!idMap) return undefined
  if (!('user' in idMap)) return idMap
  const inside = resolveUser(rootfs, idMap.user || (c.config.User ?? ''), [])
  return { uids: exchanged(idMap.uid, inside.uid), gids: exchanged(idMap.gid, inside.gid) }
}

/** All ids there are, as themselves, but for two that take each other's place. */
export function exchanged(a: number, b: number): IdRange[] {
  const total = 2 ** 32 - 1
  const [low, high] = a < b ? [a, b] : [b, a]
  const same = (from: number, to: number) => ({ disk: from, seen: from, count: to - from })
  if (low === high) return [same(0, total)]
  return [
    same(0, low),
    { disk: low, seen: high, count: 1 },
    same(low + 1, high),
    { disk: high, seen: low, count: 1 },
    same(high + 1, total),
  ].filter((range) => range.count > 0)
}

/** crun takes the `r` of a propagation for that of the bind. */
function propagationOption({ propagation, recursive }: MountRecord): string {
  const asked = propagation || 'rprivate'
  return recursive ? asked : asked.replace(/^r/, '')
}

/** Docker: to the bottom where the kernel can, unless told otherwise. */
function readOnlyOption(mount: MountRecord, path: string): 'ro' | 'rro' {
  if (mount.readOnlyBelow === 'never' || !mount.recursive) return 'ro'
  // Nothing is below a file, and crun 1.8 opens what is to be read-only to the bottom as a directory.
  if (!statSync(path).isDirectory()) return 'ro'
  if (hasMountSetattr()) return 'rro'
  if (mount.readOnlyBelow === 'possible') return 'ro'
  throw new EngineError(
    'unsupported',
    'bind-recursive=readonly needs a kernel that makes mounts read-only to the bottom (Linux 5.12)',
  )
}

/** Docker's texts. A mount that events are to pass through must pass them on the host too. */
function checkPropagation({ source, propagation }: MountRecord, entry: MountEntry): void {
  const shared = propagation === 'shared' || propagation === 'rshared'
  if (!shared && propagation !== 'slave' && propagation !== 'rslave') return
  const has = (kind: string) => entry.propagation.some((text) => text.startsWith(`${kind}:`))
  if (has('shared') || (!shared && has('master'))) return
  throw new EngineError(
    'invalid',
    `path ${source} is mounted on ${entry.target} but it is not a shared${shared ? '' : ' or slave'} mount`,
  )
}

/** What the mount of the source forbids stays forbidden: crun makes a bind mount anew, with what it is told and nothing else. */
function kept({ options }: MountEntry): string[] {
  return options.split(',').filter((option) => ['ro', 'nosuid', 'nodev', 'noexec'].includes(option))
}

/** The mount that a path lies on. */
function mountOf(source: string, table: readonly MountEntry[]): MountEntry {
  const path = realpathSync(source)
  const above = table.filter(
    ({ target }) => target === '/' || path === target || path.startsWith(`${target}/`),
  )
  const [deepest] = above.toReversed().toSorted((a, b) => b.target.length - a.target.length)
  if (!deepest) throw new EngineError('internal', `${path} lies on no mount`)
  return deepest
}

/** Unmounts; then removes what must be empty. Nothing is deleted recursively: people's files are mounted here. */
async function clearStaged(directory: string): Promise<void> {
  for (const target of mountsUnder(directory)) unmount(target, MNT_DETACH)
  for (const name of await readdir(directory).catch(ifMissing<string[]>([]))) {
    const path = join(directory, name)
    await rmdir(path).catch((error: unknown) => {
      if (!hasCode(error, 'ENOTDIR')) throw error
      return unlink(path)
    })
  }
  await rmdir(directory).catch(ifMissing(undefined))
}

const ifMissing =
  <T>(value: T) =>
  (error: unknown): T => {
    if (hasCode(error, 'ENOENT')) return value
    throw error
  }

function tmpfs(mount: MountRecord): OciMount {
  // Docker's defaults; what the user names wins.
  const chosen = new Set(mount.options)
  const defaults = ['noexec', 'nosuid', 'nodev'].filter((option) => !chosen.has(option.slice(2)))
  return {
    destination: mount.destination,
    source: 'tmpfs',
    type: 'tmpfs',
    options: [...new Set([...defaults, ...mount.options, ...(mount.readOnly ? ['ro'] : [])])],
  }
}
