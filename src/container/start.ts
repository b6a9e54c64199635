import { mkdir, rm } from 'node:fs/promises'
import { attempt } from '../lib/attempt.ts'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import { group } from '../lib/group.ts'
import { detached, type Op } from '../lib/op.ts'
import { startTime } from '../host/proc.ts'
import { RootDir } from '../host/root-dir.ts'
import {
  buildSpec,
  hostFacts,
  requestedDevices,
  resolveUser,
  RuntimeStartError,
  withCdiDevices,
  type OciMount,
  type SpecInput,
} from '../runtime/index.ts'
import type { EndReason } from '../wire/container.ts'
import { defaultPath } from './command-fault.ts'
import type { Container } from './container.ts'
import { healthAtStart, healthCheckOf } from './health.ts'
import { cgroupOf, emit, save, type Host } from './host.ts'
import { releaseMounts, setUpMounts } from './mount-setup.ts'
import { linkVariables } from './links.ts'
import { logSetup } from './logging.ts'
import { namespaceChoices, shmMounts } from './namespaces.ts'
import { joinNetworks, type NetworkPlace } from './networking.ts'
import { CommandError, explained } from './reason-of.ts'
import { saveEnd } from './save-end.ts'
import { assertCan, endOf } from './state.ts'

/**
 * Either the container runs and owns its resources, or nothing of the attempt but its reason is left. By its restart policy
 * it is started as long as nobody has called that off.
 */
export async function start(op: Op, host: Host, c: Container, o: { by: 'user' | 'policy' }): Promise<void> {
  using _lock = await c.lock.acquire(op.signal)
  if (o.by === 'policy' && c.state.status !== 'restarting') return
  // Docker: 304, not 409, when already running
  if (c.state.status === 'running' || (o.by === 'user' && c.state.status === 'restarting'))
    throw new EngineError('not-modified', 'Container already started')
  if (c.state.status === 'paused')
    throw new EngineError('conflict', 'cannot start a paused container, try unpause instead')
  assertCan(c.state, 'running')
  try {
    await launch(op, host, c, o)
  } catch (error) {
    c.starts.publish(false)
    // Called off by its caller: no fault of the container's, so nothing is noted of it.
    if (op.signal.aborted) throw error
    const exitCode = error instanceof RuntimeStartError ? error.exitCode : 128
    const reason: EndReason =
      error instanceof CommandError
        ? { Kind: error.fault.kind, Text: error.fault.text }
        : { Kind: 'not-started', Text: messageOf(error) }
    const failed = c.state
    if (failed.status === 'restarting')
      saveEnd(host, c, { ...failed, exitCode, oomKilled: false, error: messageOf(error), reason })
    else if (failed.status === 'exited')
      save(host, c, { state: { ...failed, exitCode, error: messageOf(error), reason } })
    else save(host, c, { state: { status: 'created', exitCode, error: messageOf(error), reason } })
    throw error
  }
  c.starts.publish(true)
}

async function launch(op: Op, host: Host, c: Container, o: { by: 'user' | 'policy' }): Promise<void> {
  await using undo = new AsyncDisposableStack()
  // Both undos are idempotent and cover a half-done attempt, so they stand before it.
  undo.defer(() => attempt(op, 'unmount', () => host.snapshots.unmount(detached(op, 10_000), c.id)))
  undo.defer(() => attempt(op, 'leave network', () => host.networks.leave(detached(op, 10_000), c.id)))
  let rootfs = ''
  let place: NetworkPlace | undefined
  await group(op, [
    async (inner) => void (rootfs = await host.snapshots.mount(inner, c.id, c.layers)),
    async (inner) => void (place = await joinNetworks(inner, host, c)),
  ])
  await mkdir(c.bundle, { recursive: true, mode: 0o700 })
  undo.defer(() => rm(c.bundle, { recursive: true, force: true }))
  undo.defer(() => attempt(op, 'release its mounts', () => releaseMounts(detached(op, 30_000), host, c)))
  const mounts = [...(await shmMounts(host, c)), ...(await setUpMounts(op, host, c, rootfs))]
  const input = specInput(host, c, { rootfs, place, mounts })
  const { initPath } = host.defaults
  const facts = initPath === '' ? hostFacts() : { ...hostFacts(), initPath }
  const devices = requestedDevices(c.hostConfig.DeviceRequests, host.defaults.cdiDirectories)
  op.signal.throwIfAborted() // last chance to turn back: from here the start completes

  const committed = detached(op, 30_000)
  host.runtime.forgetExit(c.id)
  undo.defer(() => attempt(op, 'delete', () => host.runtime.delete(detached(op, 10_000), c.id)))
  const created = host.runtime.create(committed, {
    id: c.id,
    bundle: c.bundle,
    spec: withCdiDevices(buildSpec(input, facts), devices, facts),
    ...(c.hostConfig.Runtime && { runtime: c.hostConfig.Runtime }),
    tty: c.tty,
    stdin: c.config.OpenStdin === true,
    // Docker: a terminal outlives the client that leaves it.
    stdinOnce: !c.tty && c.config.StdinOnce === true,
    log: logSetup(c),
    name: c.name,
  })
  const { pid } = await created.catch((error: unknown) => {
    throw explained(op, host, c, error)
  })
  for (const connect of c.pendingAttaches) await connect()
  // Before it can write or end.
  const startedAt = new Date().toISOString()
  await host.runtime.start(committed, c.id)
  const before = endOf(c.state)
  save(host, c, {
    ...(before && { previousEnd: before }),
    state: {
      status: 'running',
      pid,
      pidStartTime: startTime(pid) ?? 0,
      startedAt,
    },
    ...(o.by === 'user' && { restartCount: 0, stoppedByUser: false }),
    ...(healthCheckOf(c.config) && { health: healthAtStart(c.record.health) }),
  })
  undo.move()
  emit(host, c, { action: 'start' })
}

/** Everything the runtime needs to know, from the record alone and the mounted root. */
function specInput(
  host: Host,
  c: Container,
  o: { rootfs: string; place: NetworkPlace | undefined; mounts: readonly OciMount[] },
): SpecInput {
  const { rootfs, place } = o
  const owner = place?.files ?? c
  const hostname = owner.config.Hostname ?? ''
  const domainname = owner.config.Domainname
  const { config, hostConfig } = c
  const user = resolveUser(rootfs, config.User ?? '', hostConfig.GroupAdd ?? [])
  const cwd = config.WorkingDir || '/'
  if (cwd !== '/') {
    // Docker makes a missing working directory, owned by root.
    using root = RootDir.open(rootfs)
    try {
      root.mkdirAll(cwd, 0o755)
    } catch (error) {
      if (!hasCode(error, 'ENOTDIR')) throw error
      throw new EngineError('invalid', `Cannot mkdir: ${cwd} is not a directory`)
    }
  }
  const env = [...(config.Env ?? [])]
  const has = (name: string) => env.some((entry) => entry.startsWith(`${name}=`))
  if (c.tty && !has('TERM')) env.unshift('TERM=xterm')
  if (!has('HOSTNAME')) env.unshift(`HOSTNAME=${hostname}`)
  env.push(...linkVariables(host, c).filter((entry) => !has(entry.split('=', 1)[0] ?? '')))
  if (!has('PATH')) env.unshift(`PATH=${defaultPath}`)
  if (!has('HOME')) env.push(`HOME=${user.home}`)
  const securityOpt = [...(hostConfig.SecurityOpt ?? [])]
  if (host.defaults.noNewPrivileges && !securityOpt.some((option) => option.startsWith('no-new-privileges')))
    securityOpt.push('no-new-privileges')
  const { seccompProfile } = host.defaults
  // Docker: a privileged container has no filter unless it names one.
  if (seccompProfile && !hostConfig.Privileged && !securityOpt.some((option) => /^seccomp[=:]/.test(option)))
    securityOpt.push(`seccomp=${seccompProfile}`)
  return {
    args: c.command,
    env,
    cwd,
    user,
    tty: c.tty,
    ...(hostConfig.ConsoleSize && c.tty ? { consoleSize: hostConfig.ConsoleSize } : {}),
    hostname,
    ...(domainname ? { domainname } : {}),
    rootfs,
    readonlyRootfs: hostConfig.ReadonlyRootfs === true,
    shm: hostConfig.IpcMode !== 'none',
    mounts: [...networkFileMounts(owner), ...o.mounts],
    namespaces: {
      network: place?.namespace ?? 'host',
      ...namespaceChoices(host, c),
    },
    hostConfig: {
      ...hostConfig,
      SecurityOpt: securityOpt,
      Ulimits: [
        ...host.defaults.ulimits.filter(
          (limit) => !hostConfig.Ulimits?.some((own) => own.Name === limit.Name),
        ),
        ...(hostConfig.Ulimits ?? []),
      ],
    },
    cgroupsPath: cgroupOf(host, c),
    init: hostConfig.Init === true,
    ...(hostConfig.Annotations ? { annotations: hostConfig.Annotations } : {}),
    kind: 'container',
  }
}

function networkFileMounts(c: Container): OciMount[] {
  const files: [string, string][] = [
    ['/etc/resolv.conf', c.resolvConfPath],
    ['/etc/hostname', c.hostnamePath],
    ['/etc/hosts', c.hostsPath],
  ]
  return files.map(([destination, source]) => ({
    destination,
    source,
    type: 'bind',
    options: ['rbind', 'rprivate'],
  }))
}
