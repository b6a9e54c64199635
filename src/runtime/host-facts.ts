import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { version, hasSwapLimit, type CgroupVersion } from '../host/cgroup.ts'
import { ownCapabilities } from '../host/proc.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import type { OciDevice } from './oci-spec.ts'

/** What a spec depends on besides its input: the machine. Tests bring their own. */
export interface HostFacts {
  readonly cgroup: CgroupVersion
  readonly swapLimit: boolean
  /** What the daemon has and can therefore give. */
  readonly capabilities: readonly string[]
  /** Of images: `amd64`, `arm64`. */
  readonly arch: string
  /** Of the daemon, inherited where a container asks for nothing. */
  readonly oomScoreAdj: number
  readonly apparmor: boolean
  readonly selinux: boolean
  /** A statically linked init that reaps orphans and passes signals on; undefined when none is installed. */
  readonly initPath: string | undefined
  readonly cpus: number
  /** CPUs and memory nodes that can be chosen: `0-3,8`. */
  readonly cpuList: string
  readonly nodeList: string
  /** The device node at a path, or those in a directory. Throws kind `invalid` when there is none. */
  devices(path: string): OciDevice[]
  exists(path: string): boolean
}

let known: HostFacts | undefined

export function hostFacts(): HostFacts {
  return (known ??= {
    cgroup: version(),
    swapLimit: hasSwapLimit(),
    capabilities: ownCapabilities(),
    arch: process.arch === 'x64' ? 'amd64' : process.arch,
    oomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
    apparmor: readIfExists('/sys/module/apparmor/parameters/enabled')?.trim() === 'Y',
    selinux: existsSync('/sys/fs/selinux/enforce'),
    initPath: [
      '/usr/libexec/docker/docker-init',
      '/usr/bin/docker-init',
      '/usr/bin/tini-static',
      '/usr/bin/catatonit',
      '/usr/libexec/podman/catatonit',
      '/usr/sbin/tini-static',
      '/sbin/tini-static',
    ].find(existsSync),
    cpus: onlineCpus(),
    cpuList: readIfExists('/sys/devices/system/cpu/online')?.trim() ?? '0',
    nodeList: readIfExists('/sys/devices/system/node/online')?.trim() ?? '0',
    devices,
    exists: existsSync,
  })
}

function onlineCpus(): number {
  let count = 0
  for (const range of readFileSync('/sys/devices/system/cpu/online', 'utf8').trim().split(',')) {
    const [first = 0, last = first] = range.split('-').map(Number)
    count += last - first + 1
  }
  return count
}

function devices(path: string): OciDevice[] {
  let real: string
  try {
    real = realpathSync(path)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    throw new EngineError(
      'invalid',
      `error gathering device information while adding custom device "${path}": no such file or directory`,
    )
  }
  const found = collect(real)
  if (found.length === 0)
    throw new EngineError(
      'invalid',
      `error gathering device information while adding custom device "${path}": not a device node`,
    )
  // Named as the user named them, wherever a link may lead.
  return found.map((device) => ({ ...device, path: path + device.path.slice(real.length) }))
}

function collect(path: string): OciDevice[] {
  const stat = lstatSync(path)
  if (stat.isDirectory()) {
    // As runc does: pseudo terminals, shared memory and sockets' directories are no devices to hand out.
    const skipped = ['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev']
    return readdirSync(path).flatMap((name) => {
      if (skipped.includes(name) || name === 'console') return []
      try {
        return collect(join(path, name))
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return []
        throw error
      }
    })
  }
  const type = stat.isCharacterDevice() ? 'c' : stat.isBlockDevice() ? 'b' : undefined
  if (!type) return []
  const { rdev, mode, uid, gid } = stat
  // The kernel's encoding of a 64-bit dev_t.
  const high = Math.floor(rdev / 2 ** 32)
  const major = ((rdev >>> 8) & 0xfff) | (high & 0xfffff000)
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xffffff00)
  return [{ path, type, major, minor, fileMode: mode & 0o777, uid, gid }]
}

function readIfExists(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
