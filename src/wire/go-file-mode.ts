/** Go’s os.FileMode, in which fsutil and docker's archive routes tell modes. */
const dir = 0x8000_0000
const symlink = 0x0800_0000
const device = 0x0400_0000
const fifo = 0x0200_0000
const socket = 0x0100_0000
const charDevice = 0x0020_0000
const setuid = 0x0080_0000
const setgid = 0x0040_0000
const sticky = 0x0010_0000
/** Everything that makes a file no regular one. */
const typeMask = 0x8f28_0000

export type TreeKind = 'file' | 'directory' | 'symlink' | 'pipe'

/** Undefined: a device or a socket. */
export function kindOf(mode: number): TreeKind | undefined {
  switch ((mode & typeMask) >>> 0) {
    case 0:
      return 'file'
    case dir:
      return 'directory'
    case symlink:
      return 'symlink'
    case fifo:
      return 'pipe'
    default:
      return undefined
  }
}

/** As chmod takes them. */
export function permissionsOf(mode: number): number {
  return (
    (mode & 0o777) |
    (mode & setuid ? 0o4000 : 0) |
    (mode & setgid ? 0o2000 : 0) |
    (mode & sticky ? 0o1000 : 0)
  )
}

export function fileMode(kind: TreeKind, permissions: number): number {
  const type = { file: 0, directory: dir, symlink, pipe: fifo }[kind]
  return (
    (type |
      (permissions & 0o777) |
      (permissions & 0o4000 ? setuid : 0) |
      (permissions & 0o2000 ? setgid : 0) |
      (permissions & 0o1000 ? sticky : 0)) >>>
    0
  )
}

export function deviceMode(kind: 'character-device' | 'block-device' | 'fifo', permissions: number): number {
  const type = { 'character-device': device | charDevice, 'block-device': device, fifo }[kind]
  return (type | (permissions & 0o777)) >>> 0
}

/** The mode of a file of any kind, as stat(2) tells kinds. */
export function modeOf(
  kind: 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket',
  permissions: number,
): number {
  const type = { file: 0, directory: dir, symlink, char: device | charDevice, block: device, fifo, socket }[
    kind
  ]
  return (type | fileMode('file', permissions)) >>> 0
}

export const isDirectory = (mode: number): boolean => (mode & dir) !== 0
export const isSymlink = (mode: number): boolean => (mode & symlink) !== 0
export const isRegular = (mode: number): boolean => kindOf(mode) === 'file'
