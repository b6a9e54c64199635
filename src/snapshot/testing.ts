/** Archives for tests, honest and otherwise. */
import { spawnSync } from 'node:child_process'
import { blockSize, encodeHeader, padded, type TarEntry, type TarType } from './tar-header.ts'

export interface TestEntry {
  name: string
  type?: TarType
  data?: string
  link?: string
  mode?: number
  uid?: number
  gid?: number
  mtime?: number
  major?: number
  minor?: number
  xattrs?: Record<string, string>
  /** Changes header bytes after they are made; the checksum is corrected. */
  patch?: (header: Buffer) => void
}

export function tarArchive(entries: readonly TestEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(encode), Buffer.alloc(2 * blockSize)])
}

function encode(e: TestEntry): Buffer[] {
  const data = Buffer.from(e.data ?? '')
  const entry: TarEntry = {
    name: e.name,
    type: e.type ?? 'file',
    linkName: e.link ?? '',
    mode: e.mode ?? (e.type === 'directory' ? 0o755 : 0o644),
    uid: e.uid ?? 0,
    gid: e.gid ?? 0,
    size: data.length,
    mtime: { sec: e.mtime ?? 1_600_000_000, nsec: 0 },
    major: e.major ?? 0,
    minor: e.minor ?? 0,
    xattrs: new Map(Object.entries(e.xattrs ?? {}).map(([key, value]) => [key, Buffer.from(value)])),
  }
  const header = encodeHeader(entry)
  if (e.patch) {
    const last = header.subarray(-blockSize)
    e.patch(last)
    fixChecksum(last)
  }
  return [header, data, Buffer.alloc(padded(data.length) - data.length)]
}

function fixChecksum(header: Buffer): void {
  header.fill(0x20, 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
}

/** A header block of any type with content: for extended headers. */
export function rawBlock(flag: string, body: Buffer, o: { size?: number } = {}): Buffer {
  const header = encodeHeader({
    name: '././@LongLink',
    type: 'file',
    linkName: '',
    mode: 0,
    uid: 0,
    gid: 0,
    size: o.size ?? body.length,
    mtime: { sec: 0, nsec: 0 },
    major: 0,
    minor: 0,
    xattrs: new Map(),
  })
  header.write(flag, 156, 'latin1')
  fixChecksum(header)
  return Buffer.concat([header, body, Buffer.alloc(padded(body.length) - body.length)])
}
/** Compressors that Node lacks. */
export const bzip2 = (data: Buffer): Buffer => spawnSync('bzip2', ['-c'], { input: data }).stdout
export const xz = (data: Buffer): Buffer => spawnSync('xz', ['-c'], { input: data }).stdout
