import { peerCredentials } from '../../host/fd-pass.ts'
import type { Call } from './route.ts'

/** User and group of the process at the other end of a unix socket; undefined for tcp. */
export function callerOf(call: Pick<Call, 'request'>): { uid: number; gid: number } | undefined {
  const { socket } = call.request
  if (socket.remoteAddress !== undefined) return undefined
  // Node gives no public way to a socket's descriptor; a missing one means that we cannot know.
  const handle = (socket as unknown as { _handle?: { fd?: number } })._handle
  if (handle?.fd === undefined || handle.fd < 0) return undefined
  const { uid, gid } = peerCredentials(handle.fd)
  return { uid, gid }
}
