import { mkdir, stat } from 'node:fs/promises'
import { posix } from 'node:path'
import { EngineError, hasCode } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import type { Op } from '../lib/op.ts'
import type { Volumes } from '../volume/index.ts'
import type { ContainerConfig, HostConfig, MountSpec } from '../wire/container.ts'
import type { MountRecord } from './record.ts'

const propagations = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']

/** A mount as asked for, before volumes exist: `source` is a path on the host, a volume's name, or empty. */
interface MountRequest extends Omit<MountRecord, 'source' | 'volume'> {
  readonly source: string
  readonly noCopy: boolean
  readonly labels: Record<string, string>
  /** `-v` makes a missing source directory; `--mount` refuses it. */
  readonly createSource: boolean
}

/**
 * Decides all mounts of a new container, from `-v`, `--mount`, `--tmpfs` and the image's VOLUMEs, and makes the
 * volumes. The names of those it made stand in `made`, for the caller's undo. Later flags cannot repeat a target.
 */
export async function resolveMounts(
  op: Op,
  o: { config: ContainerConfig; hostConfig: HostConfig; volumes: Volumes; made: string[] },
): Promise<{ mounts: MountRecord[]; toPopulate: MountRecord[] }> {
  const requests = collect(o.config, o.hostConfig)
  const mounts: MountRecord[] = []
  const toPopulate: MountRecord[] = []
  for (const request of requests) {
    const { noCopy, labels, createSource, ...mount } = request
    if (mount.type === 'bind') {
      await checkSource(mount.source, createSource)
      mounts.push(mount)
    } else if (mount.type === 'tmpfs') {
      mounts.push(mount)
    } else {
      const known = mount.source !== '' && o.volumes.list().some((volume) => volume.name === mount.source)
      const volume = known
        ? o.volumes.find(mount.source)
        : await o.volumes.create(op, {
            name: mount.source === '' ? newId() : mount.source,
            labels: mount.source === '' ? { 'com.docker.volume.anonymous': '', ...labels } : labels,
          })
      if (!known) o.made.push(volume.name)
      const record = {
        ...mount,
        source: volume.mountpoint,
        volume: volume.name,
        anonymous: mount.source === '',
      }
      mounts.push(record)
      if (!noCopy) toPopulate.push(record)
    }
  }
  mounts.sort((a, b) => (a.destination < b.destination ? -1 : 1))
  return { mounts, toPopulate }
}

function collect(config: ContainerConfig, hostConfig: HostConfig): MountRequest[] {
  const requests = [
    ...(hostConfig.Binds ?? []).map(parseBind),
    ...(hostConfig.Mounts ?? []).map(parseMount),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([target, options]) => tmpfs(target, options)),
  ]
  const seen = new Set<string>()
  for (const { destination } of requests) {
    if (seen.has(destination)) throw new EngineError('invalid', `Duplicate mount point: ${destination}`)
    seen.add(destination)
  }
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = checkTarget(path)
    if (!seen.has(destination)) requests.push({ ...base(destination), type: 'volume', source: '' })
    seen.add(destination)
  }
  return requests
}

function base(destination: string): Omit<MountRequest, 'type' | 'source'> {
  return {
    destination,
    readOnly: false,
    mode: '',
    propagation: '',
    recursive: true,
    options: [],
    noCopy: false,
    labels: {},
    createSource: false,
  }
}

/** `[source:]target[:options]`, docker's short form. */
export function parseBind(text: string): MountRequest {
  const invalid = (why: string) =>
    new EngineError('invalid', `invalid volume specification: '${text}': ${why}`)
  const parts = text.split(':')
  if (parts.length > 3 || parts.some((part) => part === '')) throw invalid('want SOURCE:TARGET[:OPTIONS]')
  const [first = '', second, options = ''] = parts
  if (second === undefined) return { ...base(checkTarget(first)), type: 'volume', source: '' }
  const isPath = first.startsWith('/')
  if (!isPath && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(first))
    throw new EngineError(
      'invalid',
      `create ${first}: "${first}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    )
  const request = {
    ...base(checkTarget(second)),
    type: isPath ? ('bind' as const) : ('volume' as const),
    source: isPath ? posix.normalize(first) : first,
    createSource: true,
    mode: options,
    propagation: isPath ? 'rprivate' : '',
  }
  for (const option of options === '' ? [] : options.split(',')) {
    if (option === 'ro') request.readOnly = true
    else if (option === 'nocopy' && !isPath) request.noCopy = true
    else if (propagations.includes(option) && isPath) request.propagation = option
    // z and Z relabel for SELinux, which the engine does not use; the last three matter on macOS only.
    else if (!['rw', 'z', 'Z', 'consistent', 'cached', 'delegated'].includes(option))
      throw invalid(`unknown option "${option}"`)
  }
  return request
}

/** The long form, `--mount`. */
export function parseMount(spec: MountSpec): MountRequest {
  const invalid = (why: string) =>
    new EngineError('invalid', `invalid mount config for type "${spec.Type}": ${why}`)
  if (!spec.Target) throw invalid('field Target must not be empty')
  const common = { ...base(checkTarget(spec.Target)), readOnly: spec.ReadOnly === true }
  switch (spec.Type) {
    case 'bind': {
      if (!spec.Source) throw invalid('field Source must not be empty')
      if (!spec.Source.startsWith('/')) throw invalid(`invalid mount path: '${spec.Source}' must be absolute`)
      const propagation = spec.BindOptions?.Propagation || 'rprivate'
      if (!propagations.includes(propagation)) throw invalid(`invalid propagation mode: ${propagation}`)
      return {
        ...common,
        type: 'bind',
        source: posix.normalize(spec.Source),
        propagation,
        recursive: spec.BindOptions?.NonRecursive !== true,
        createSource: spec.BindOptions?.CreateMountpoint === true,
      }
    }
    case 'volume': {
      const driver = spec.VolumeOptions?.DriverConfig
      if (driver?.Name && driver.Name !== 'local')
        throw invalid(`volume driver "${driver.Name}" is not known`)
      if (Object.keys(driver?.Options ?? {}).length > 0)
        throw new EngineError('unsupported', 'volume driver options are not supported yet')
      if (spec.VolumeOptions?.Subpath)
        throw new EngineError('unsupported', 'volume-subpath is not supported yet')
      return {
        ...common,
        type: 'volume',
        source: spec.Source ?? '',
        noCopy: spec.VolumeOptions?.NoCopy === true,
        labels: spec.VolumeOptions?.Labels ?? {},
        mode: 'z',
      }
    }
    case 'tmpfs': {
      if (spec.Source) throw invalid('field Source must not be specified')
      const options = (spec.TmpfsOptions?.Options ?? []).map((pair) => pair.join('='))
      if (spec.TmpfsOptions?.SizeBytes) options.push(`size=${spec.TmpfsOptions.SizeBytes}`)
      if (spec.TmpfsOptions?.Mode !== undefined) options.push(`mode=${spec.TmpfsOptions.Mode.toString(8)}`)
      return { ...common, type: 'tmpfs', source: '', options }
    }
    case 'image':
    case 'npipe':
    case 'cluster':
      throw new EngineError('unsupported', `mounts of type "${spec.Type}" are not supported yet`)
  }
}

const tmpfsOptions =
  /^(rw|ro|exec|noexec|suid|nosuid|dev|nodev|sync|async|atime|noatime|relatime|norelatime|strictatime|(size|nr_blocks|nr_inodes)=\d+[kmg%]?|mode=[0-7]{1,5}|(uid|gid)=\d+|mpol=[\w:,=-]+|huge=\w+)$/i

function tmpfs(target: string, text: string): MountRequest {
  const options = text === '' ? [] : text.split(',')
  const wrong = options.find((option) => !tmpfsOptions.test(option))
  if (wrong !== undefined) throw new EngineError('invalid', `invalid tmpfs option ["${wrong}"]`)
  return {
    ...base(checkTarget(target)),
    type: 'tmpfs',
    source: '',
    options,
    readOnly: options.includes('ro'),
  }
}

function checkTarget(path: string): string {
  if (!path.startsWith('/'))
    throw new EngineError('invalid', `invalid mount path: '${path}' mount path must be absolute`)
  const target = posix.normalize(path).replace(/(.)\/$/, '$1')
  if (target === '/') throw new EngineError('invalid', `invalid specification: destination can't be '/'`)
  return target
}

async function checkSource(source: string, create: boolean): Promise<void> {
  try {
    await stat(source)
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT')) throw cause
    // Docker: -v makes a missing source directory, --mount refuses it.
    if (create) await mkdir(source, { recursive: true, mode: 0o755 })
    else
      throw new EngineError(
        'invalid',
        `invalid mount config for type "bind": bind source path does not exist: ${source}`,
      )
  }
}
