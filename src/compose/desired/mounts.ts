/** Volumes, bind mounts, tmpfs, configs and secrets of a container, as binds where those can say it, else as mounts. */
import { existsSync } from 'node:fs'
import { EngineError } from '../../lib/errors.ts'
import type { ContainerSummary, MountSpec } from '../../wire/container.ts'
import type { Project } from '../model/project-model.ts'
import type { Service } from '../model/service-model.ts'
import { mountedFiles } from './file-objects.ts'

export interface MountOptions {
  readonly project: Project
  readonly name: string
  /** The container whose anonymous volumes it takes over. */
  readonly inherit?: ContainerSummary | undefined
  /** Where the image wants volumes. */
  readonly imageVolumes?: readonly string[]
}

type Volume = Service['volumes'][number]

export function containerVolumes(
  service: Service,
  o: MountOptions,
): { binds: string[]; mounts: MountSpec[] } {
  const inherited = inheritedVolumes(service, o)
  const taken = new Set(inherited.map(({ Target }) => Target))
  const binds: string[] = []
  const mounts: MountSpec[] = []
  for (const volume of service.volumes) {
    // Only one without a source can have been taken over.
    if (volume.source === '' && taken.has(volume.target)) continue
    const bind = bindText(volume, o.project)
    if (bind !== undefined) binds.push(bind)
    else mounts.push(mountOf(volume, o.project))
  }
  const files = mountedFiles(service, o).map(({ source, target, what }) => {
    if (!existsSync(source)) throw new EngineError('not-found', `${what}: file ${source} does not exist`)
    return fileMount(source, target)
  })
  return { binds, mounts: [...inherited, ...mounts, ...files] }
}

/** Anonymous volumes stay with the container that takes another one's place. */
function inheritedVolumes(service: Service, { inherit, imageVolumes = [] }: MountOptions): MountSpec[] {
  if (!inherit) return []
  const anonymous = new Set([
    ...imageVolumes,
    ...service.volumes.filter(({ source }) => source === '').map(({ target }) => target),
  ])
  const named = new Set(service.volumes.filter(({ source }) => source !== '').map(({ target }) => target))
  return inherit.Mounts.filter(
    ({ Type, Destination }) => Type !== 'tmpfs' && anonymous.has(Destination) && !named.has(Destination),
  ).map((mount) => ({
    Type: mount.Type === 'bind' ? 'bind' : 'volume',
    Source: mount.Type === 'volume' ? (mount.Name ?? '') : mount.Source,
    Target: mount.Destination,
    ...(!mount.RW && { ReadOnly: true }),
  }))
}

/** `source:target:rw`; undefined where only a mount can say it. Docker prefers binds, since they make what is missing. */
function bindText(volume: Volume, project: Project): string | undefined {
  const { type, source, target, bind, volume: options } = volume
  const access = volume.read_only ? 'ro' : 'rw'
  const words = bind?.selinux ? `${access},${bind.selinux}` : access
  if (type === 'bind') {
    if (bind && (!bind.create_host_path || bind.propagation !== '' || bind.recursive !== '')) return undefined
    return `${source}:${target}:${words}`
  }
  const named = type === 'volume' && source !== '' ? project.volumes.get(source) : undefined
  if (!named || (options && (options.labels.size > 0 || options.subpath !== '' || options.nocopy)))
    return undefined
  return `${named.name}:${target}:${words}`
}

const types: readonly string[] = ['bind', 'volume', 'tmpfs', 'image', 'npipe', 'cluster']

function mountOf(volume: Volume, project: Project): MountSpec {
  const { type, bind, volume: options, tmpfs, image, consistency } = volume
  if (!types.includes(type))
    throw new EngineError('invalid', `invalid type of a mount: ${JSON.stringify(type)}`)
  const source =
    type === 'volume' ? (project.volumes.get(volume.source)?.name ?? volume.source) : volume.source
  return {
    // One of the six: asked in the line above.
    Type: type as MountSpec['Type'],
    ...(source !== '' && { Source: source }),
    Target: volume.target,
    ...(volume.read_only && { ReadOnly: true }),
    ...(consistency !== '' && { Consistency: consistency }),
    ...(bind && type === 'bind' && { BindOptions: bindOptions(bind) }),
    ...(options &&
      type === 'volume' && {
        VolumeOptions: {
          ...(options.nocopy && { NoCopy: true }),
          ...(options.labels.size > 0 && { Labels: Object.fromEntries(options.labels) }),
          ...(options.subpath !== '' && { Subpath: options.subpath }),
        },
      }),
    ...(tmpfs &&
      type === 'tmpfs' && {
        TmpfsOptions: {
          ...(tmpfs.size > 0 && { SizeBytes: tmpfs.size }),
          ...(tmpfs.mode > 0 && { Mode: tmpfs.mode }),
        },
      }),
    ...(image && type === 'image' && { ImageOptions: { Subpath: image.subpath } }),
  }
}

function bindOptions(bind: NonNullable<Volume['bind']>): NonNullable<MountSpec['BindOptions']> {
  return {
    ...(bind.propagation !== '' && { Propagation: bind.propagation }),
    ...(bind.create_host_path && { CreateMountpoint: true }),
    ...(bind.recursive === 'disabled' && { NonRecursive: true }),
    ...(bind.recursive === 'writable' && { ReadOnlyNonRecursive: true }),
    ...(bind.recursive === 'readonly' && { ReadOnlyForceRecursive: true }),
  }
}

function fileMount(source: string, target: string): MountSpec {
  return { Type: 'bind', Source: source, Target: target, ReadOnly: true, BindOptions: {} }
}
