import { closeSync } from 'node:fs'
import { check, libc } from './libc.ts'
import { AF_UNIX, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, socket } from './socket-calls.ts'

const sendto = libc.func(
  'long sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t size)',
)

/** sd_notify(3): sends a state (`READY=1`) to the service manager's socket: a path, or `@name` for an abstract one. */
export function notify(address: string, state: string): void {
  const name = Buffer.from(address)
  // sockaddr_un: family in host order, then the path; an abstract name starts with a zero byte and has no terminator.
  const sockaddr = Buffer.concat([Buffer.from([AF_UNIX, 0]), name])
  if (address.startsWith('@')) sockaddr[2] = 0
  const data = Buffer.from(state)
  const fd = check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket')
  try {
    const size = sockaddr.length + (address.startsWith('@') ? 0 : 1)
    const padded = Buffer.concat([sockaddr, Buffer.alloc(1)])
    check(Number(sendto(fd, data, data.length, MSG_NOSIGNAL, padded, size)), 'sendto', address)
  } finally {
    closeSync(fd)
  }
}
