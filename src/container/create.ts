import { mkdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { parsePlatform, type Image } from '../image/index.ts'
import { EngineError } from '../lib/errors.ts'
import { newId, shortId } from '../lib/id.ts'
import { detached, type Op } from '../lib/op.ts'
import { parseSignal } from '../lib/signals.ts'
import { checkHostConfig } from '../runtime/index.ts'
import type { ContainerConfig, HostConfig, ImageConfig, NetworkingConfig } from '../wire/container.ts'
import { Container, type ContainerPaths } from './container.ts'
import { emit, type Host } from './host.ts'
import { resolveMounts, type Owner } from './mounts.ts'
import { checkHealthcheck, mergeHealthcheck } from './health.ts'
import { planLinks } from './links.ts'
import { fillLogConfig } from './logging.ts'
import { planNamespaces } from './namespaces.ts'
import { checkName } from './names.ts'
import { planNetworks } from './networking.ts'
import type { ContainerRecord, MountRecord } from './record.ts'
import { checkRestartPolicy } from './restart-policy.ts'

export interface CreateRequest {
  readonly name?: string | undefined
  readonly config: ContainerConfig
  readonly hostConfig: HostConfig
  readonly networking?: NetworkingConfig | null | undefined
  /** The platform that the image must be for; the host's own is preferred else. */
  readonly platform?: string | undefined
  /** Who asks, where that is known. */
  readonly caller?: Owner | undefined
}

/** Either the container exists with its files and volumes, or nothing of the attempt is left. */
export async function create(
  op: Op,
  host: Host,
  request: CreateRequest & {
    name: string
    paths: ContainerPaths
    find: (ref: string) => Container
    /** Keeps the volumes until the container is known to everybody. */
    claims: DisposableStack
  },
): Promise<Container> {
  const { Image: ref } = request.config
  const image =
    request.platform === undefined
      ? host.images.find(ref)
      : host.images.findFor(ref, parsePlatform(request.platform))
  const name = checkName(request.name)
  const id = newId()
  const config = mergeConfig(request.config, image.config.config ?? {}, id, request.hostConfig)
  const filled = fillDefaults(request.hostConfig, host)
  checkHealthcheck(request.config.Healthcheck)
  checkRestartPolicy(filled.RestartPolicy)
  checkLimits(config, filled)
  const plan = planNetworks(host, {
    // What the image exposes is no conflict with the user's settings.
    config: request.config,
    hostConfig: filled,
    networking: request.networking,
  })
  host.runtime.warm()
  host.networks.warm(plan.mode)
  const links = planLinks(host, { name, mode: plan.mode, hostConfig: filled })
  const hostConfig = {
    ...filled,
    ...planNamespaces(host, { config: request.config, hostConfig: filled }),
    NetworkMode: plan.mode,
    ...(filled.Links && { Links: links.length > 0 ? links : null }),
  }

  await using undo = new AsyncDisposableStack()
  const made: string[] = []
  undo.defer(() => removeVolumes(op, host, made))
  undo.defer(() => request.claims.dispose())
  const { mounts, toPopulate } = await resolveMounts(op, {
    config,
    hostConfig,
    volumes: host.volumes,
    images: host.images,
    find: request.find,
    caller: request.caller,
    made,
    claims: request.claims,
  })
  const record: ContainerRecord = {
    id,
    name,
    createdAt: new Date().toISOString(),
    imageId: image.id,
    layers: image.layers,
    config,
    hostConfig,
    networking: plan.networking,
    mounts,
    state: { status: 'created' },
    restartCount: 0,
    stoppedByUser: false,
    endRequest: null,
  }
  const c = new Container(record, request.paths)
  undo.defer(() => rm(c.directory, { recursive: true, force: true }))
  await mkdir(c.directory, { recursive: true, mode: 0o710 })
  undo.defer(() => host.snapshots.remove(detached(op, 10_000), id))
  await host.snapshots.prepare(op, id, { lowers: image.layers })
  await populate(op, host, c, toPopulate, image)
  op.signal.throwIfAborted()
  host.table.put(id, record)
  undo.move()
  emit(host, c, { action: 'create' })
  return c
}

/** Docker: an empty volume receives what the image has at its target, owners and modes included. */
async function populate(
  op: Op,
  host: Host,
  c: Container,
  mounts: readonly MountRecord[],
  image: Image,
): Promise<void> {
  const empty: MountRecord[] = []
  for (const mount of mounts)
    if (mount.volume !== undefined && (await host.volumes.isEmpty(op, mount.volume))) empty.push(mount)
  if (empty.length === 0) return
  const rootfs = await host.snapshots.mount(op, c.id, image.layers)
  try {
    for (const { volume, destination } of empty)
      if (volume !== undefined) await host.volumes.populate(op, volume, { rootfs, path: destination })
  } finally {
    await host.snapshots.unmount(detached(op, 10_000), c.id)
  }
}

async function removeVolumes(op: Op, host: Host, names: readonly string[]): Promise<void> {
  for (const name of names)
    await host.volumes
      .remove(detached(op, 10_000), name, { force: true })
      .catch((error: unknown) => op.log.warn('undo: volume not removed', { name, error }))
}

/** The user's settings over the image's, as docker merges them. */
export function mergeConfig(
  user: ContainerConfig,
  image: ImageConfig,
  id: string,
  hostConfig: HostConfig,
): ContainerConfig {
  const config: ContainerConfig = { ...user }
  // `--entrypoint ""` arrives as [""]: it clears the image's entrypoint and command.
  const cleared = user.Entrypoint?.length === 1 && user.Entrypoint[0] === ''
  const ownEntrypoint = !cleared && (user.Entrypoint?.length ?? 0) > 0
  config.Entrypoint = cleared ? null : ((ownEntrypoint ? user.Entrypoint : image.Entrypoint) ?? null)
  const ownCommand = (user.Cmd?.length ?? 0) > 0
  config.Cmd = ownCommand || cleared || ownEntrypoint ? (user.Cmd ?? null) : (image.Cmd ?? null)
  if ((config.Entrypoint?.length ?? 0) + (config.Cmd?.length ?? 0) === 0)
    throw new EngineError('invalid', 'no command specified')
  const names = new Set((user.Env ?? []).map((entry) => entry.split('=', 1)[0]))
  config.Env = [
    ...(user.Env ?? []),
    ...(image.Env ?? []).filter((entry) => !names.has(entry.split('=', 1)[0])),
  ]
  config.User = user.User || image.User || ''
  config.WorkingDir = user.WorkingDir || image.WorkingDir || ''
  config.Labels = { ...image.Labels, ...user.Labels }
  config.ExposedPorts = { ...image.ExposedPorts, ...user.ExposedPorts }
  for (const port of Object.keys(hostConfig.PortBindings ?? {})) config.ExposedPorts[port] ??= {}
  config.Volumes = { ...image.Volumes, ...user.Volumes }
  const stopSignal = user.StopSignal || image.StopSignal
  if (stopSignal) config.StopSignal = stopSignal
  const health = mergeHealthcheck(user.Healthcheck, image.Healthcheck)
  if (health) config.Healthcheck = health
  // Docker: with the host's network the host's name shows.
  config.Hostname = user.Hostname || (hostConfig.NetworkMode === 'host' ? hostname() : shortId(id))
  return config
}

function fillDefaults(hostConfig: HostConfig, host: Host): HostConfig {
  const mode = hostConfig.NetworkMode
  return {
    ...hostConfig,
    NetworkMode: mode === undefined || mode === '' || mode === 'default' ? 'bridge' : mode,
    ShmSize: hostConfig.ShmSize || host.defaults.shmSize,
    LogConfig: fillLogConfig(hostConfig.LogConfig, host.defaults),
    RestartPolicy: hostConfig.RestartPolicy ?? { Name: 'no', MaximumRetryCount: 0 },
    Runtime: hostConfig.Runtime || host.runtime.name,
    Init: hostConfig.Init ?? host.defaults.init,
  }
}

function checkLimits(config: ContainerConfig, hostConfig: HostConfig): void {
  const invalid = (text: string) => new EngineError('invalid', text)
  if (config.StopSignal) parseSignal(config.StopSignal)
  if (config.WorkingDir && !config.WorkingDir.startsWith('/'))
    throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`)
  checkHostConfig(hostConfig)
  if (hostConfig.AutoRemove && hostConfig.RestartPolicy?.Name && hostConfig.RestartPolicy.Name !== 'no')
    throw invalid("can't create 'AutoRemove' container with restart policy")
}
