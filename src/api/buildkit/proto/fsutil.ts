import { bytes, bytesMap, int64, message, nested, string, uint32 } from './message.ts'

/** fsutil.types: the protocol in which file trees travel. `mode` is Go’s os.FileMode. */
export const Stat = message({
  path: string(1),
  mode: uint32(2),
  uid: uint32(3),
  gid: uint32(4),
  size: int64(5),
  modTime: int64(6),
  linkname: string(7),
  devmajor: int64(8),
  devminor: int64(9),
  xattrs: bytesMap(10),
})

export const PacketType = { stat: 0, request: 1, data: 2, fin: 3, error: 4 } as const

export const Packet = message({ type: uint32(1), stat: nested(2, Stat), id: uint32(3), data: bytes(4) })

/** The same with the stat as it came: most entries of a list are as they were, and only compared. */
export const RawPacket = message({ type: uint32(1), stat: bytes(2), id: uint32(3), data: bytes(4) })

/** As much of a stat as is looked at in any case. */
export const StatHead = message({ path: string(1), mode: uint32(2), size: int64(5), linkname: string(7) })
