import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isMountPoint, mount, MS_NODEV, MS_NOEXEC, MS_NOSUID } from '../host/mount.ts'
import { EngineError, kindOf, messageOf } from '../lib/errors.ts'
import type { NamespaceChoice, OciMount } from '../runtime/index.ts'
import type { ContainerConfig, HostConfig } from '../wire/container.ts'
import { sharedWith, type Container } from './container.ts'
import type { Host } from './host.ts'
import { isLive } from './state.ts'

const invalid = (message: string) => new EngineError('invalid', message)

/** At create: docker's checks of the modes; containers that are named get their ids. Throws kind `invalid`. */
export function planNamespaces(
  host: Host,
  o: { config: ContainerConfig; hostConfig: HostConfig },
): Pick<HostConfig, 'PidMode' | 'IpcMode' | 'UTSMode' | 'CgroupnsMode'> {
  const { PidMode = '', IpcMode = '', UTSMode = '', CgroupnsMode = '' } = o.hostConfig
  if (!['', 'host'].includes(PidMode) && sharedWith(PidMode) === undefined)
    throw invalid(`invalid PID mode: ${PidMode}`)
  const ipcModes = ['', 'host', 'private', 'shareable', 'none']
  if (!ipcModes.includes(IpcMode) && sharedWith(IpcMode) === undefined)
    throw invalid(`invalid IPC mode: ${IpcMode}`)
  if (!['', 'host'].includes(UTSMode)) throw invalid(`invalid UTS mode: ${UTSMode}`)
  if (!['', 'host', 'private'].includes(CgroupnsMode))
    throw invalid(`invalid cgroup namespace mode: ${CgroupnsMode}`)
  if (UTSMode === 'host' && o.config.Hostname) throw invalid('conflicting options: hostname and the UTS mode')
  return {
    PidMode: byId(host, PidMode),
    IpcMode: byId(host, IpcMode) || host.defaults.ipcMode,
    UTSMode,
    CgroupnsMode: CgroupnsMode || host.defaults.cgroupnsMode,
  }
}

function byId(host: Host, mode: string): string {
  const ref = sharedWith(mode)
  if (ref === undefined) return mode
  try {
    return `container:${host.find(ref).id}`
  } catch (cause) {
    if (kindOf(cause) !== 'not-found') throw cause
    // A 404 says of a create that the image is missing, and clients would pull that.
    throw new EngineError('invalid', messageOf(cause), { cause })
  }
}

/** At start: which namespaces the process gets, but for the network's. Throws kind `conflict` when one of another container is not there. */
export function namespaceChoices(
  host: Host,
  { hostConfig }: Container,
): { pid: NamespaceChoice; ipc: NamespaceChoice; uts: NamespaceChoice; cgroup: NamespaceChoice } {
  return {
    pid: choice(host, hostConfig.PidMode, 'PID'),
    ipc: choice(host, hostConfig.IpcMode, 'IPC'),
    uts: hostConfig.UTSMode === 'host' ? 'host' : 'private',
    cgroup: hostConfig.CgroupnsMode === 'host' ? 'host' : 'private',
  }
}

function choice(host: Host, mode: string | undefined, kind: 'PID' | 'IPC'): NamespaceChoice {
  if (mode === 'host') return 'host'
  const ref = sharedWith(mode)
  if (ref === undefined) return 'private'
  const { state } = donor(host, ref, kind)
  return { path: `/proc/${state.pid}/ns/${kind.toLowerCase()}` }
}

/** The container whose namespace is joined. Docker's texts. */
function donor(host: Host, ref: string, kind: 'PID' | 'IPC') {
  const fail = (why: string) => new EngineError('conflict', `failed to join ${kind} namespace: ${why}`)
  let container: Container
  try {
    container = host.find(ref)
  } catch (cause) {
    throw kindOf(cause) === 'not-found' ? fail(messageOf(cause)) : cause
  }
  const { id, state } = container
  if (!isLive(state)) throw fail(`container ${id} is not running`)
  if (kind === 'IPC' && !ownsSharedShm(container))
    throw fail(`container ${id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`)
  return { container, state }
}

/** Its /dev/shm is mounted on the host, so that other containers can have it, too. */
export const ownsSharedShm = (c: Container): boolean => c.hostConfig.IpcMode === 'shareable'

const shmPath = (c: Container): string => join(c.mountsDirectory, 'shm')

/** What stands at /dev/shm where that is not the container's own tmpfs; made here for one that shares it. */
export async function shmMounts(host: Host, c: Container): Promise<OciMount[]> {
  const ref = sharedWith(c.hostConfig.IpcMode)
  if (ref !== undefined) return [bindShm(shmPath(donor(host, ref, 'IPC').container))]
  if (!ownsSharedShm(c)) return []
  const target = shmPath(c)
  await mkdir(target, { recursive: true, mode: 0o700 })
  if (!isMountPoint(target))
    mount({
      source: 'shm',
      target,
      type: 'tmpfs',
      flags: MS_NOEXEC | MS_NOSUID | MS_NODEV,
      data: `mode=1777,size=${c.hostConfig.ShmSize}`,
    })
  return [bindShm(target)]
}

function bindShm(source: string): OciMount {
  return {
    destination: '/dev/shm',
    source,
    type: 'bind',
    options: ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev'],
  }
}
