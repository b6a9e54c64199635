/** Values of single `run` flags, by docker's rules. Failures are plain Errors: the flag parser adds the flag's name. */
import type { DeviceMapping, MountSpec, Ulimit } from '../wire/container.ts'
import { parseBool } from '../lib/parse-bool.ts'
import { parseBinarySize } from '../lib/units.ts'

/** `nofile=1024:2048`. */
export function parseUlimit(text: string): Ulimit {
  const match = /^([^=]+)=([^=]+)$/.exec(text)
  if (!match) throw new Error(`invalid ulimit argument: ${text}`)
  const [, name = '', limits = ''] = match
  const known = [
    'core',
    'cpu',
    'data',
    'fsize',
    'locks',
    'memlock',
    'msgqueue',
    'nice',
    'nofile',
    'nproc',
    'rss',
    'rtprio',
    'rttime',
    'sigpending',
    'stack',
  ]
  if (!known.includes(name)) throw new Error(`invalid ulimit type: ${name}`)
  const parts = limits.split(':')
  if (parts.length > 2)
    throw new Error(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``)
  const numbers = parts.map((part) => {
    if (!/^-?\d+$/.test(part))
      throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(part)}: invalid syntax`)
    return Number(part)
  })
  const soft = numbers[0] ?? 0
  const hard = numbers[1] ?? soft
  if (hard !== -1 && (soft === -1 || soft > hard))
    throw new Error(
      `ulimit soft limit must be less than or equal to hard limit: ${soft === -1 ? 'soft: -1 (unlimited)' : soft} > ${hard}`,
    )
  return { Name: name, Soft: soft, Hard: hard }
}

/** `/dev/sda:8:16` forms: `PATH:RATE`. */
export function parseRatedDevice(text: string, kind: 'weight' | 'bytes' | 'count'): object {
  const colon = text.indexOf(':')
  const path = text.slice(0, colon)
  const rate = text.slice(colon + 1)
  if (colon < 0) throw new Error(`bad format: ${text}`)
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${text}`)
  if (kind === 'bytes') {
    try {
      return { Path: path, Rate: parseBinarySize(rate) }
    } catch {
      throw new Error(
        `invalid rate for device: ${text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
      )
    }
  }
  if (!/^\d+$/.test(rate)) {
    if (kind === 'weight') throw new Error(`invalid weight for device: ${text}`)
    throw new Error(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>. Number must be a positive integer`,
    )
  }
  if (kind === 'count') return { Path: path, Rate: Number(rate) }
  if (Number(rate) > 0 && (Number(rate) < 10 || Number(rate) > 1000))
    throw new Error(`invalid weight for device: ${text}`)
  return { Path: path, Weight: Number(rate) }
}

/** `/dev/a[:/dev/b[:rwm]]`; a qualified CDI name (`vendor/class=name`) is kept for the request list. */
export function parseDevice(text: string): DeviceMapping | { readonly cdi: string } {
  if (/^[^/=]+\.[^/=]+\/[^/=]+=.+$/.test(text)) return { cdi: text }
  const parts = text.split(':')
  const [source = '', second, third] = parts
  const isMode = (mode: string | undefined) => mode !== undefined && /^(?!.*(.).*\1)[rwm]{1,3}$/.test(mode)
  if (source === '' || parts.length > 3) throw new Error(`invalid device specification: ${text}`)
  const mapping = { PathOnHost: source, PathInContainer: source, CgroupPermissions: 'rwm' }
  if (third !== undefined) {
    if (!isMode(third)) throw new Error(`bad mode specified: ${third}`)
    return { ...mapping, PathInContainer: second ?? source, CgroupPermissions: third }
  }
  if (second === undefined) return mapping
  if (isMode(second)) return { ...mapping, CgroupPermissions: second }
  if (!second.startsWith('/')) throw new Error(`${second} is not an absolute path`)
  return { ...mapping, PathInContainer: second }
}

/** One line of CSV, with quoted fields. */
export function splitCsv(text: string): string[] {
  const fields: string[] = []
  let field = ''
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const ch = text[i] ?? ''
    if (quoted) {
      if (ch !== '"') field += ch
      else if (text[i + 1] === '"') field += text[++i]
      else quoted = false
    } else if (ch === '"' && field === '') quoted = true
    else if (ch === ',') {
      fields.push(field)
      field = ''
    } else field += ch
  }
  if (quoted) throw new Error('parse error: extraneous or missing " in quoted-field')
  return [...fields, field]
}

/** Those that need no value. */
const bareMountKeys = new Set(['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive', 'chown', 'u', 'idmap'])
const mountTypes = ['bind', 'volume', 'tmpfs', 'image', 'npipe', 'cluster'] as const

/** `type=bind,source=/a,target=/b,readonly`. */
export function parseMount(text: string): MountSpec {
  const mount: MountSpec = { Type: 'volume', Target: '' }
  const bind: NonNullable<MountSpec['BindOptions']> = {}
  const volume: NonNullable<MountSpec['VolumeOptions']> = {}
  const image: NonNullable<MountSpec['ImageOptions']> = {}
  const tmpfs: NonNullable<MountSpec['TmpfsOptions']> = {}
  const own: NonNullable<MountSpec['GantryOptions']> = {}
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=')
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase()
    const given = equals < 0 ? undefined : field.slice(equals + 1)
    const yes = () => readBool(key, given)
    if (given === undefined && !bareMountKeys.has(key))
      throw new Error(`invalid field '${field}' must be a key=value pair`)
    const text_ = given ?? ''
    switch (key) {
      case 'type': {
        const type = mountTypes.find((name) => name === text_.toLowerCase())
        // The daemon's words for a type that there is not.
        if (!type)
          throw new Error(`invalid mount config for type ${JSON.stringify(text_)}: mount type unknown`)
        mount.Type = type
        break
      }
      case 'source':
      case 'src':
        // Docker: `.` and `./x` are relative to where the command runs.
        mount.Source = /^\.{1,2}(\/|$)/.test(text_)
          ? process.getBuiltinModule('node:path').resolve(text_)
          : text_
        break
      case 'target':
      case 'dst':
      case 'destination':
        mount.Target = text_
        break
      case 'readonly':
      case 'ro':
        mount.ReadOnly = yes()
        break
      case 'consistency':
        mount.Consistency = text_.toLowerCase()
        break
      case 'bind-propagation':
        bind.Propagation = text_.toLowerCase()
        break
      case 'bind-nonrecursive':
        bind.NonRecursive = yes()
        break
      case 'bind-recursive':
        bindRecursive(bind, text_)
        break
      case 'volume-nocopy':
        volume.NoCopy = yes()
        break
      case 'volume-subpath':
        volume.Subpath = text_
        break
      case 'volume-label':
        volume.Labels = { ...volume.Labels, ...pair(text_) }
        break
      case 'volume-driver':
        volume.DriverConfig = { ...volume.DriverConfig, Name: text_ }
        break
      case 'volume-opt':
        volume.DriverConfig = {
          ...volume.DriverConfig,
          Options: { ...volume.DriverConfig?.Options, ...pair(text_) },
        }
        break
      // The next two are Gantry's own, as `U` and `idmap` of the short form.
      case 'chown':
      case 'u':
        if (yes()) own.Chown = true
        break
      case 'idmap':
        own.IDMap = text_
        break
      case 'image-subpath':
        image.Subpath = text_
        break
      case 'tmpfs-size':
        tmpfs.SizeBytes = parseBinarySize(text_)
        break
      case 'tmpfs-mode':
        if (!/^[0-7]+$/.test(text_)) throw new Error(`invalid value for ${key}: ${text_}`)
        tmpfs.Mode = Number.parseInt(text_, 8)
        break
      default:
        throw new Error(`unexpected key '${key}' in '${field}'`)
    }
  }
  if (mount.Target === '') throw new Error('target is required')
  if (Object.keys(own).length > 0) mount.GantryOptions = own
  const options = [
    ['bind', 'BindOptions', bind],
    ['volume', 'VolumeOptions', volume],
    ['image', 'ImageOptions', image],
    ['tmpfs', 'TmpfsOptions', tmpfs],
  ] as const
  for (const [type, name, settings] of options) {
    if (Object.keys(settings).length === 0) continue
    if (type !== mount.Type) throw new Error(`cannot mix '${type}-*' options with mount type '${mount.Type}'`)
    Object.assign(mount, { [name]: settings })
  }
  return mount
}

function bindRecursive(bind: NonNullable<MountSpec['BindOptions']>, text: string): void {
  if (text === 'disabled') bind.NonRecursive = true
  else if (text === 'writable') bind.ReadOnlyNonRecursive = true
  else if (text === 'readonly') bind.ReadOnlyForceRecursive = true
  else if (text !== 'enabled')
    throw new Error(
      `invalid value for bind-recursive: ${text} (must be "enabled", "disabled", "writable", or "readonly")`,
    )
}

function readBool(key: string, text = 'true'): boolean {
  const value = parseBool(text)
  if (value === undefined) throw new Error(`invalid value for ${key}: ${text}`)
  return value
}

export function pair(text: string): Record<string, string> {
  const equals = text.indexOf('=')
  return equals < 0 ? { [text]: '' } : { [text.slice(0, equals)]: text.slice(equals + 1) }
}
