/**
 * The tar format: ustar headers with PAX extended records (POSIX.1-2001) and GNU's long names.
 * Names are bytes. Here they are strings with one character for one byte (latin1), so that string functions work on
 * names that are not UTF-8; `bytesOf` gives the bytes.
 */
import { EngineError } from '../lib/errors.ts'

export type TarType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo'

export interface TarEntry {
  /** One character for one byte. As written in the archive, except that a directory has no slash at its end. */
  readonly name: string
  readonly type: TarType
  /** Target of a symlink; the name of the earlier entry for a hard link. One character for one byte. */
  readonly linkName: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes of content that follow: 0 for everything but files. */
  readonly size: number
  readonly mtime: { readonly sec: number; readonly nsec: number }
  readonly major: number
  readonly minor: number
  /** Extended attributes by name, from `SCHILY.xattr.` records. */
  readonly xattrs: ReadonlyMap<string, Buffer>
}

export const blockSize = 512
export const bytesOf = (name: string): Buffer => Buffer.from(name, 'latin1')
/** For error texts. */
export const showName = (name: string): string => JSON.stringify(bytesOf(name).toString().slice(0, 300))
/** Bytes of content with the padding that fills the last block. */
export const padded = (size: number): number => Math.ceil(size / blockSize) * blockSize

const types: Record<string, TarType> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
}
const flags: Record<TarType, string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
}

export interface RawHeader {
  name: string
  flag: string
  linkName: string
  mode: number
  uid: number
  gid: number
  size: number
  mtime: number
  major: number
  minor: number
}

export function damaged(what: string): EngineError {
  return new EngineError('invalid', `the archive is damaged: ${what}`)
}

/** Decodes one header block, or returns undefined for a block of zeros. Throws kind `invalid`. */
export function parseHeader(block: Buffer): RawHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined
  const text = block.toString('latin1')
  const magic = text.slice(257, 265)
  const ustar = magic === 'ustar\x0000'
  const gnu = magic === 'ustar  \0'
  checkSum(block)
  const name = cString(text, 0, 100)
  const prefix = ustar ? cString(text, 345, 155) : ''
  const number = (offset: number, length: number, field: string) =>
    parseNumber(block.subarray(offset, offset + length), `${field} of ${showName(name)}`)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    flag: text.charAt(156),
    linkName: cString(text, 157, 100),
    mode: number(100, 8, 'mode') & 0o7777,
    uid: number(108, 8, 'uid'),
    gid: number(116, 8, 'gid'),
    size: number(124, 12, 'size'),
    mtime: number(136, 12, 'mtime'),
    major: ustar || gnu ? number(329, 8, 'device number') : 0,
    minor: ustar || gnu ? number(337, 8, 'device number') : 0,
  }
}

/** The sum of all bytes with the field itself as spaces; old writers added signed bytes. */
function checkSum(block: Buffer): void {
  let unsigned = 0
  let signed = 0
  for (let index = 0; index < blockSize; index++) {
    const byte = index >= 148 && index < 156 ? 0x20 : (block[index] ?? 0)
    unsigned += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  const stored = parseNumber(block.subarray(148, 156), 'checksum')
  if (stored !== unsigned && stored !== signed)
    throw damaged('a header has a wrong checksum (is it a tar archive?)')
}

/** Octal digits with blanks or NULs around them, or GNU's base-256 for what octal cannot hold. */
function parseNumber(field: Buffer, what: string): number {
  const first = field[0] ?? 0
  if (first & 0x80) {
    const negative = (first & 0x40) !== 0
    let value = BigInt(negative ? first - 0x100 : first & 0x3f)
    for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte)
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER))
      throw damaged(`the ${what} is out of range`)
    return Number(value)
  }
  const digits = field.toString('latin1').replace(/^[ \0]+|[ \0]+$/g, '')
  if (digits === '') return 0
  if (!/^[0-7]+$/.test(digits)) throw damaged(`the ${what} is not a number`)
  return parseInt(digits, 8)
}

function cString(text: string, offset: number, length: number): string {
  const field = text.slice(offset, offset + length)
  const end = field.indexOf('\0')
  return end < 0 ? field : field.slice(0, end)
}

/** Decodes `<length> <key>=<value>\n` records. Throws kind `invalid` when a length lies. */
export function parsePax(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>()
  let offset = 0
  while (offset < data.length) {
    const space = data.indexOf(0x20, offset)
    const digits = space < 0 ? '' : data.toString('latin1', offset, space)
    const end = offset + Number(digits)
    if (!/^[1-9]\d{0,8}$/.test(digits) || end > data.length || end <= space || data[end - 1] !== 0x0a)
      throw damaged('an extended header has a wrong length')
    const equals = data.indexOf(0x3d, space)
    if (equals < 0 || equals >= end) throw damaged('an extended header record has no value')
    records.set(data.toString('utf8', space + 1, equals), Buffer.from(data.subarray(equals + 1, end - 1)))
    offset = end
  }
  return records
}

/** Applies extended records to a header. Throws kind `unsupported` for what we do not unpack, naming it. */
export function toEntry(
  raw: RawHeader,
  pax: ReadonlyMap<string, Buffer>,
  gnu: { name?: string; linkName?: string },
): TarEntry {
  const textual = (key: string, fallback: string): string => {
    const value = pax.get(key)
    if (value === undefined || value.length === 0) return fallback
    if (value.includes(0)) throw damaged(`the extended ${key} of ${showName(raw.name)} contains a NUL byte`)
    return value.toString('latin1')
  }
  const integer = (key: string, fallback: number): number => {
    const value = textual(key, '')
    if (value === '') return fallback
    if (!/^\d{1,16}$/.test(value) || !Number.isSafeInteger(Number(value)))
      throw damaged(`the extended ${key} of ${showName(raw.name)} is not a number`)
    return Number(value)
  }
  const written = textual('path', gnu.name ?? raw.name)
  const oldDirectory = written.endsWith('/') && (types[raw.flag] ?? '') === 'file'
  const type = oldDirectory ? 'directory' : types[raw.flag]
  for (const key of pax.keys())
    if (key.startsWith('GNU.sparse.'))
      throw unsupported(written, 'is a sparse file: write the archive without --sparse')
  if (type === undefined)
    throw unsupported(
      written,
      raw.flag === 'S'
        ? 'is a sparse file: write the archive without --sparse'
        : `has the unknown type ${JSON.stringify(raw.flag)}`,
    )
  const size = type === 'file' ? integer('size', raw.size) : 0
  if (size < 0) throw damaged(`the size of ${showName(written)} is negative`)
  const uid = integer('uid', raw.uid)
  const gid = integer('gid', raw.gid)
  // The highest id means "leave it" to chown(2).
  for (const id of [uid, gid])
    if (id < 0 || id >= 0xffffffff) throw damaged(`the owner of ${showName(written)} is out of range`)
  return {
    name: type === 'directory' ? written.replace(/\/+$/, written.startsWith('/') ? '/' : '') : written,
    type,
    linkName: textual('linkpath', gnu.linkName ?? raw.linkName),
    mode: raw.mode,
    uid,
    gid,
    size,
    mtime: parseTime(textual('mtime', ''), raw),
    major: raw.major,
    minor: raw.minor,
    xattrs: xattrsOf(pax),
  }
}

const noXattrs: ReadonlyMap<string, Buffer> = new Map()
const xattrPrefix = 'SCHILY.xattr.'

function xattrsOf(pax: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  if (pax.size === 0) return noXattrs
  const result = new Map<string, Buffer>()
  for (const [key, value] of pax)
    if (key.startsWith(xattrPrefix)) result.set(key.slice(xattrPrefix.length), value)
  return result
}

/** PAX times are decimal seconds with a fraction of any length. */
function parseTime(text: string, raw: RawHeader): TarEntry['mtime'] {
  if (text === '') return { sec: raw.mtime, nsec: 0 }
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text)
  if (!match) throw damaged(`the time of ${showName(raw.name)} is not a number`)
  const [, sign, seconds = '0', fraction = ''] = match
  const nsec = Number(fraction.padEnd(9, '0').slice(0, 9))
  if (sign === '') return { sec: Number(seconds), nsec }
  return nsec === 0 ? { sec: -Number(seconds), nsec } : { sec: -Number(seconds) - 1, nsec: 1e9 - nsec }
}

function unsupported(name: string, why: string): EngineError {
  return new EngineError('unsupported', `archive entry ${showName(name)} ${why}`)
}

const maxOctal8 = 0o7777777
const maxOctal12 = 0o77777777777

/**
 * Header blocks of an entry, PAX records in front where ustar cannot hold a value. Equal entries give equal bytes:
 * no user names, no access times, whole seconds.
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const pax: [string, Buffer][] = []
  const name = entry.type === 'directory' && !entry.name.endsWith('/') ? `${entry.name}/` : entry.name
  const fitted = splitName(name)
  if (!fitted) pax.push(['path', bytesOf(name)])
  if (entry.linkName.length > 100) pax.push(['linkpath', bytesOf(entry.linkName)])
  const number = (key: string, value: number, max: number): number => {
    if (value >= 0 && value <= max) return value
    pax.push([key, Buffer.from(String(value))])
    return 0
  }
  const uid = number('uid', entry.uid, maxOctal8)
  const gid = number('gid', entry.gid, maxOctal8)
  const size = number('size', entry.size, maxOctal12)
  const mtime = number('mtime', entry.mtime.sec, maxOctal12)
  for (const [key, value] of [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1)))
    pax.push([xattrPrefix + key, value])

  const header = block({
    name: fitted?.name ?? name.slice(0, 100),
    prefix: fitted?.prefix ?? '',
    flag: flags[entry.type],
    linkName: entry.linkName.slice(0, 100),
    mode: entry.mode,
    uid,
    gid,
    size,
    mtime,
    major: entry.major,
    minor: entry.minor,
  })
  if (pax.length === 0) return header
  const body = Buffer.concat(pax.map(([key, value]) => paxRecord(key, value)))
  const extended = block({
    name: `PaxHeaders.0/${name.replace(/\/$/, '').split('/').at(-1) ?? ''}`.slice(0, 100),
    prefix: '',
    flag: 'x',
    linkName: '',
    mode: 0,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: 0,
    major: 0,
    minor: 0,
  })
  return Buffer.concat([extended, body, Buffer.alloc(padded(body.length) - body.length), header])
}

function splitName(name: string): { name: string; prefix: string } | undefined {
  if (name.length <= 100) return { name, prefix: '' }
  if (name.length > 256) return undefined
  const slash = name.lastIndexOf('/', 155)
  // A directory's own slash at the end must not become the split.
  if (slash <= 0 || name.length - slash - 1 > 100 || slash === name.length - 1) return undefined
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) }
}

function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  // The length counts its own digits.
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

function block(raw: RawHeader & { prefix: string }): Buffer {
  const header = Buffer.alloc(blockSize)
  const octal = (value: number, offset: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, '0'), offset, 'latin1')
  header.write(raw.name, 0, 100, 'latin1')
  octal(raw.mode, 100, 7)
  octal(raw.uid, 108, 7)
  octal(raw.gid, 116, 7)
  octal(raw.size, 124, 11)
  octal(raw.mtime, 136, 11)
  header.write('        ', 148, 'latin1')
  header.write(raw.flag, 156, 'latin1')
  header.write(raw.linkName, 157, 100, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  octal(raw.major, 329, 7)
  octal(raw.minor, 337, 7)
  header.write(raw.prefix, 345, 155, 'latin1')
  let sum = 0
  for (const byte of header) sum += byte
  octal(sum, 148, 6)
  header[154] = 0
  return header
}
