import { peerCredentials } from '../../host/fd-pass.ts'
import { descriptorOf } from '../../host/socket.ts'
import type { Call } from './route.ts'

/** User and group of the process at the other end of a unix socket; undefined for tcp. */
export function callerOf(call: Pick<Call, 'request'>): { uid: number; gid: number } | undefined {
  const { socket } = call.request
  if (socket.remoteAddress !== undefined) return undefined
  const fd = descriptorOf(socket)
  if (fd === undefined) return undefined
  const { uid, gid } = peerCredentials(fd)
  return { uid, gid }
}
