/** What people write of mounts, by docker's rules: `-v`, `--mount`, `--tmpfs`, and the further words of ours. */
import { posix } from 'node:path'
import { EngineError } from '../lib/errors.ts'
import type { MountSpec } from '../wire/container.ts'
import type { IdRange } from '../host/mount-tree.ts'
import type { MountRecord } from './record.ts'

/** An id map as asked for: by user of the container (empty: its own), or range by range. */
export type IdMapRequest =
  | { readonly user: string }
  | { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] }

/** A mount as asked for, before volumes exist: `source` is a path on the host, a volume's or an image's name, or empty. */
export interface MountRequest extends Omit<MountRecord, 'source' | 'volume' | 'idMap' | 'image'> {
  readonly source: string
  readonly noCopy: boolean
  readonly labels: Record<string, string>
  /** Of the volume's driver. */
  readonly driverOptions: Record<string, string>
  readonly idMap?: IdMapRequest
}

const propagations = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']

export function baseRequest(destination: string): Omit<MountRequest, 'type' | 'source'> {
  return {
    destination,
    readOnly: false,
    readOnlyBelow: 'possible',
    mode: '',
    propagation: '',
    recursive: true,
    options: [],
    chown: false,
    noCopy: false,
    labels: {},
    driverOptions: {},
    createSource: false,
  }
}

/** `[source:]target[:options]`, docker's short form. */
export function parseBind(text: string): MountRequest {
  const parts = text.split(':')
  if (parts.length > 3 || parts.some((part) => part === ''))
    throw new EngineError('invalid', `invalid volume specification: '${text}': want SOURCE:TARGET[:OPTIONS]`)
  const [first = '', second, options = ''] = parts
  if (second === undefined) return { ...baseRequest(checkTarget(first)), type: 'volume', source: '' }
  const isPath = first.startsWith('/')
  if (!isPath && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(first))
    throw new EngineError(
      'invalid',
      `create ${first}: "${first}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    )
  return {
    ...baseRequest(checkBindTarget(text, second)),
    type: isPath ? 'bind' : 'volume',
    source: isPath ? withoutEndSlash(posix.normalize(first)) : first,
    createSource: true,
    // Docker: shown of every named volume that nothing else is asked of.
    mode: options === '' && !isPath ? 'z' : options,
    propagation: isPath ? 'rprivate' : '',
    ...shortOptions(options, isPath),
  }
}

function shortOptions(text: string, isPath: boolean): Partial<MountRequest> {
  const found: { -readonly [K in keyof MountRequest]?: MountRequest[K] } = {}
  const groups = new Set<string>()
  for (const option of text === '' ? [] : text.split(',')) {
    let group: string
    if (option === 'ro' || option === 'rw') {
      group = 'access'
      found.readOnly = option === 'ro'
    } else if (option === 'nocopy' && !isPath) {
      group = 'copy'
      found.noCopy = true
    } else if (propagations.includes(option) && isPath) {
      group = 'propagation'
      found.propagation = option
    } else if (option === 'U') {
      group = 'owner'
      found.chown = true
    } else if (option === 'idmap' || option.startsWith('idmap=')) {
      group = 'owner'
      found.idMap = parseIdMap(option.slice('idmap='.length))
    }
    // z and Z relabel for SELinux, which the engine does not use; the last three matter on macOS only.
    else if (option === 'z' || option === 'Z') group = 'label'
    else if (['consistent', 'cached', 'delegated'].includes(option)) group = 'consistency'
    else throw new EngineError('invalid', `invalid mode: ${text}`)
    // Docker: one word of each kind.
    if (groups.has(group)) throw new EngineError('invalid', `invalid mode: ${text}`)
    groups.add(group)
  }
  return found
}

/** Empty, a user of the container, or `uids=CONTAINER-HOST-COUNT[#…];gids=…`. */
export function parseIdMap(text: string): IdMapRequest {
  if (!text.includes('=')) return { user: text }
  const wrong = () =>
    new EngineError(
      'invalid',
      `invalid idmap ${JSON.stringify(text)}: want idmap, idmap=USER or idmap=uids=CONTAINER-HOST-COUNT;gids=CONTAINER-HOST-COUNT`,
    )
  const maps: { uids: IdRange[]; gids: IdRange[] } = { uids: [], gids: [] }
  for (const part of text.split(';')) {
    const [key = '', value = ''] = part.split('=')
    if (key !== 'uids' && key !== 'gids') throw wrong()
    for (const range of value.split('#')) {
      const match = /^(\d{1,10})-(\d{1,10})-(\d{1,10})$/.exec(range)
      if (!match) throw wrong()
      maps[key].push({ seen: Number(match[1]), disk: Number(match[2]), count: Number(match[3]) })
    }
  }
  if (maps.uids.length === 0 || maps.gids.length === 0) throw wrong()
  return maps
}

/** The long form, `--mount`. */
export function parseMount(spec: MountSpec): MountRequest {
  const invalid = (why: string) =>
    new EngineError('invalid', `invalid mount config for type "${spec.Type}": ${why}`)
  if (!spec.Target) throw invalid('field Target must not be empty')
  const common = {
    ...baseRequest(checkTarget(spec.Target)),
    readOnly: spec.ReadOnly === true,
    chown: spec.GantryOptions?.Chown === true,
    ...(spec.GantryOptions?.IDMap !== undefined && { idMap: parseIdMap(spec.GantryOptions.IDMap) }),
  }
  if (common.chown && common.idMap) throw invalid('chown and idmap cannot be combined')
  for (const [type, field] of optionFields)
    if (type !== spec.Type && spec[field] !== undefined) throw invalid(`field ${field} must not be specified`)
  if (spec.GantryOptions && spec.Type !== 'bind' && spec.Type !== 'volume')
    throw invalid('chown and idmap are for binds and volumes')
  switch (spec.Type) {
    case 'bind': {
      const o = spec.BindOptions ?? {}
      if (!spec.Source) throw invalid('field Source must not be empty')
      if (!spec.Source.startsWith('/')) throw invalid(`invalid mount path: '${spec.Source}' must be absolute`)
      const propagation = o.Propagation || 'rprivate'
      if (!propagations.includes(propagation)) throw invalid(`invalid propagation mode: ${propagation}`)
      if (o.ReadOnlyForceRecursive) {
        if (o.ReadOnlyNonRecursive)
          throw invalid('BindOptions.ReadOnlyForceRecursive and ReadOnlyNonRecursive contradict each other')
        if (!common.readOnly) throw invalid('BindOptions.ReadOnlyForceRecursive is set but ReadOnly is not')
        if (o.Propagation !== undefined && o.Propagation !== '' && propagation !== 'rprivate')
          throw invalid('BindOptions.ReadOnlyForceRecursive needs the propagation rprivate')
        if (o.NonRecursive)
          throw invalid('BindOptions.ReadOnlyForceRecursive and NonRecursive contradict each other')
      }
      if (o.ReadOnlyNonRecursive && !common.readOnly)
        throw invalid('BindOptions.ReadOnlyNonRecursive is set but ReadOnly is not')
      return {
        ...common,
        type: 'bind',
        source: withoutEndSlash(posix.normalize(spec.Source)),
        propagation,
        recursive: o.NonRecursive !== true,
        readOnlyBelow: o.ReadOnlyForceRecursive
          ? 'required'
          : o.ReadOnlyNonRecursive
            ? 'never'
            : common.readOnlyBelow,
        createSource: o.CreateMountpoint === true,
      }
    }
    case 'volume': {
      const o = spec.VolumeOptions ?? {}
      const driver = o.DriverConfig
      if (driver?.Name && driver.Name !== 'local')
        throw new EngineError(
          'unsupported',
          `volume driver "${driver.Name}" is not supported: only "local" is`,
        )
      if (o.Subpath && !spec.Source) throw invalid('must not set Subpath when using anonymous volumes')
      return {
        ...common,
        type: 'volume',
        source: spec.Source ?? '',
        noCopy: o.NoCopy === true,
        labels: o.Labels ?? {},
        driverOptions: driver?.Options ?? {},
        mode: 'z',
        ...(o.Subpath && { subpath: checkSubpath(o.Subpath, 'volume') }),
      }
    }
    case 'tmpfs': {
      if (spec.Source) throw invalid('field Source must not be specified')
      const options = (spec.TmpfsOptions?.Options ?? []).map((pair) => pair.join('='))
      const wrong = options.find((option) => !tmpfsOptions.test(option))
      if (wrong !== undefined) throw invalid(`invalid tmpfs option ${JSON.stringify(wrong)}`)
      if (spec.TmpfsOptions?.SizeBytes) options.push(`size=${spec.TmpfsOptions.SizeBytes}`)
      if (spec.TmpfsOptions?.Mode) options.push(`mode=${spec.TmpfsOptions.Mode.toString(8)}`)
      return { ...common, type: 'tmpfs', source: '', options }
    }
    case 'image': {
      if (!spec.Source) throw invalid('field Source must not be empty')
      const subpath = spec.ImageOptions?.Subpath
      return {
        ...common,
        type: 'image',
        source: spec.Source,
        readOnly: true,
        ...(subpath && { subpath: checkSubpath(subpath, 'image') }),
      }
    }
    case 'npipe':
    case 'cluster':
      throw new EngineError(
        'unsupported',
        `mounts of type "${spec.Type}" are not supported: ${spec.Type === 'npipe' ? 'named pipes are of Windows' : 'Gantry has no swarm mode'}`,
      )
  }
}

const optionFields = [
  ['bind', 'BindOptions'],
  ['volume', 'VolumeOptions'],
  ['image', 'ImageOptions'],
  ['tmpfs', 'TmpfsOptions'],
] as const

const tmpfsOptions =
  /^(rw|ro|exec|noexec|suid|nosuid|dev|nodev|sync|async|atime|noatime|relatime|norelatime|strictatime|(size|nr_blocks|nr_inodes)=\d+[kmg%]?|mode=[0-7]{1,5}|(uid|gid)=\d+|mpol=[\w:,=-]+|huge=\w+)$/i

/** `--tmpfs target[:options]`. */
export function parseTmpfs(target: string, text: string): MountRequest {
  const options = text === '' ? [] : text.split(',')
  const wrong = options.find((option) => !tmpfsOptions.test(option))
  if (wrong !== undefined) throw new EngineError('invalid', `invalid tmpfs option ["${wrong}"]`)
  return {
    ...baseRequest(checkTarget(target)),
    type: 'tmpfs',
    source: '',
    options,
    readOnly: options.includes('ro'),
  }
}

function checkBindTarget(text: string, path: string): string {
  try {
    return checkTarget(path)
  } catch (error) {
    if (!(error instanceof EngineError) || path.startsWith('/')) throw error
    const kind = text.startsWith('/') ? 'bind' : 'volume'
    throw new EngineError(
      'invalid',
      `invalid volume specification: '${text}': invalid mount config for type "${kind}": ${error.message}`,
      { cause: error },
    )
  }
}

export function checkTarget(path: string): string {
  if (!path.startsWith('/'))
    throw new EngineError('invalid', `invalid mount path: '${path}' mount path must be absolute`)
  const target = withoutEndSlash(posix.normalize(path))
  if (target === '/') throw new EngineError('invalid', `invalid specification: destination can't be '/'`)
  return target
}

/** Docker: a path inside, that does not lead out even by its words. */
function checkSubpath(subpath: string, type: string): string {
  const normal = posix.normalize(subpath)
  if (posix.isAbsolute(subpath) || normal === '..' || normal.startsWith('../'))
    throw new EngineError(
      'invalid',
      `invalid mount config for type "${type}": subpath must be a relative path within the ${type}`,
    )
  return withoutEndSlash(normal)
}

const withoutEndSlash = (path: string) => path.replace(/(.)\/$/, '$1')
