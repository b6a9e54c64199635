import koffi from 'koffi'
import { hasCode } from '../lib/errors.ts'
import { check, libc, SyscallError } from './libc.ts'

koffi.struct('gantry_iovec', { base: 'void *', length: 'size_t' })
koffi.struct('gantry_msghdr', {
  name: 'void *',
  nameLength: 'uint32_t',
  iov: 'gantry_iovec *',
  iovLength: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
})
const cRecvmsg = libc.func('long recvmsg(int fd, _Inout_ gantry_msghdr *message, int flags)')
const cGetsockopt = libc.func(
  'int getsockopt(int fd, int level, int name, void *value, _Inout_ uint32_t *length)',
)

const SOL_SOCKET = 1
const SO_PEERCRED = 17
const SCM_RIGHTS = 1
const MSG_CMSG_CLOEXEC = 0x40000000
const MSG_CTRUNC = 8
/** cmsghdr: length (8), level (4), type (4), then the descriptors. */
const controlHeader = 16

/**
 * One file descriptor sent over a unix socket (SCM_RIGHTS), close-on-exec. `undefined` when nothing has come yet. Throws when
 * the other side closed or sent something else.
 */
export function receiveFd(socket: number): number | undefined {
  const data = Buffer.alloc(4096)
  const control = Buffer.alloc(64)
  const message = {
    name: null,
    nameLength: 0,
    iov: [{ base: data, length: data.length }],
    iovLength: 1,
    control,
    controlLength: control.length,
    flags: 0,
  }
  const received = cRecvmsg(socket, message, MSG_CMSG_CLOEXEC) as number
  if (received === -1) {
    const error = new SyscallError('recvmsg', koffi.errno())
    if (hasCode(error, 'EAGAIN', 'EINTR')) return undefined
    throw error
  }
  const isRights =
    Number(message.controlLength) >= controlHeader + 4 &&
    (message.flags & MSG_CTRUNC) === 0 &&
    control.readInt32LE(8) === SOL_SOCKET &&
    control.readInt32LE(12) === SCM_RIGHTS
  if (!isRights) throw new Error('the peer closed its socket or sent no file descriptor')
  return control.readInt32LE(controlHeader)
}

/** Who opened the other end of a unix socket, as the kernel recorded it at connect. */
export function peerCredentials(socket: number): { pid: number; uid: number; gid: number } {
  const value = Buffer.alloc(12)
  check(cGetsockopt(socket, SOL_SOCKET, SO_PEERCRED, value, [value.length]), 'getsockopt')
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) }
}
