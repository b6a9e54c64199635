import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Image } from '../image/index.ts'
import { attempt } from '../lib/attempt.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import { detached, type Op } from '../lib/op.ts'
import { familiarName, parseReference } from '../lib/reference.ts'
import type { ContainerConfig, ImageConfig } from '../wire/container.ts'
import type { Container } from './container.ts'
import { emit, type Host } from './host.ts'

export interface CommitRequest {
  /** Of the new image: see `committedConfig`. */
  readonly config: ImageConfig
  /** Nothing of the container runs while its files are copied. */
  readonly pause: boolean
  readonly author: string
  readonly comment: string
  /** The image's name, as the user wrote it. */
  readonly ref?: string
}

/** Files that the engine binds over the root: in an image they would be empty. */
export const networkFiles: readonly string[] = ['/etc/resolv.conf', '/etc/hostname', '/etc/hosts']

/** An image of what the container is by now. What is in volumes and other mounts is no part of it. */
export async function commit(op: Op, host: Host, c: Container, o: CommitRequest): Promise<Image> {
  using _lock = await c.lock.acquire(op.signal)
  if (c.state.status === 'removing')
    throw new EngineError('conflict', `You cannot commit container ${c.id} which is being removed`)
  const freeze = o.pause && c.state.status === 'running'
  const make = () =>
    host.images.commit(op, {
      workspace: c.id,
      mountPoints: networkFiles,
      parent: c.imageId,
      layers: c.layers,
      config: o.config,
      createdBy: (c.config.Cmd ?? []).join(' '),
      author: o.author,
      comment: o.comment,
      ...(o.ref !== undefined && { ref: o.ref }),
    })
  const image = freeze ? await frozen(op, host, c, make) : await make()
  const imageRef = o.ref === undefined ? '' : familiarName(parseReference(o.ref))
  emit(host, c, {
    action: 'commit',
    attributes: { comment: o.comment, imageID: image.id, imageRef },
  })
  return image
}

/** Noted on disk: a daemon that is killed meanwhile leaves a container that nobody meant to pause. */
async function frozen<T>(op: Op, host: Host, c: Container, work: () => Promise<T>): Promise<T> {
  await writeFile(noteOf(c), '', { mode: 0o600 })
  try {
    await host.runtime.pause(op, c.id)
    return await work()
  } finally {
    await attempt(op, 'let the container go on', () => host.runtime.resume(detached(op, 10_000), c.id))
    await rm(noteOf(c), { force: true })
  }
}

const noteOf = (c: Container) => join(c.directory, 'frozen')

/** At boot: whether the container was frozen for an image that was never made. Says so once. */
export async function wasFrozen(c: Container): Promise<boolean> {
  try {
    await rm(noteOf(c))
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

/** The settings of the container that belong to an image, under those that the caller gives. */
export function committedConfig(c: ContainerConfig, given: Partial<ContainerConfig>): ImageConfig {
  const names = new Set((given.Env ?? []).map((entry) => entry.split('=', 1)[0]))
  const env = [...(given.Env ?? []), ...(c.Env ?? []).filter((each) => !names.has(each.split('=', 1)[0]))]
  const ownCommand = (given.Cmd?.length ?? 0) > 0
  const ownEntrypoint = (given.Entrypoint?.length ?? 0) > 0
  const entrypoint = ownEntrypoint ? given.Entrypoint : c.Entrypoint
  const command = ownCommand || ownEntrypoint ? given.Cmd : c.Cmd
  const healthcheck = given.Healthcheck ?? c.Healthcheck
  const user = given.User || c.User
  const workingDir = given.WorkingDir || c.WorkingDir
  const stopSignal = given.StopSignal || c.StopSignal
  const sets = {
    ExposedPorts: { ...c.ExposedPorts, ...given.ExposedPorts },
    Volumes: { ...c.Volumes, ...given.Volumes },
    Labels: { ...c.Labels, ...given.Labels },
  }
  const filled = Object.entries(sets).filter(([, set]) => Object.keys(set).length > 0)
  return {
    ...(Object.fromEntries(filled) as Partial<typeof sets>),
    ...(env.length > 0 && { Env: env }),
    ...(command && { Cmd: command }),
    ...(entrypoint && { Entrypoint: entrypoint }),
    ...(user && { User: user }),
    ...(workingDir && { WorkingDir: workingDir }),
    ...(stopSignal && { StopSignal: stopSignal }),
    ...(healthcheck && { Healthcheck: healthcheck }),
    ...((given.OnBuild ?? c.OnBuild)?.length && { OnBuild: given.OnBuild ?? c.OnBuild ?? [] }),
    ...((given.Shell ?? c.Shell)?.length && { Shell: given.Shell ?? c.Shell ?? [] }),
  }
}
