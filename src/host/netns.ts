import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { check, libc } from './libc.ts'
import { MNT_DETACH, MS_BIND, mount, unmount } from './mount.ts'
import { NetlinkSocket } from './netlink.ts'
import { setUp } from './rtnetlink.ts'

const unshare = libc.func('int unshare(int flags)')
const setns = libc.func('int setns(int fd, int nstype)')

const CLONE_NEWNET = 0x40000000
const loopback = 1

/**
 * Makes a network namespace with lo up and keeps it by a bind mount at `path` (created; its folder must exist), until
 * remove(). Nothing is left when it fails. About 1 ms.
 */
export function create(path: string): void {
  writeFileSync(path, '', { flag: 'wx', mode: 0o444 })
  try {
    asGuest(() => {
      check(Number(unshare(CLONE_NEWNET)), 'unshare', 'network namespace')
      mount({ source: '/proc/thread-self/ns/net', target: path, flags: MS_BIND })
      using socket = new NetlinkSocket()
      socket.request(setUp(loopback))
    })
  } catch (error) {
    remove(path)
    throw error
  }
}

/** Lets go of a namespace made by create(): the kernel ends it with its last process. Idempotent. */
export function remove(path: string): void {
  unmount(path, MNT_DETACH)
  rmSync(path, { force: true })
}

/**
 * Runs `work` with this thread in the namespace at `path`. Sockets opened there stay there. Synchronous by contract: an
 * await would let other work of this thread run in the wrong network.
 */
export function inNetns<T>(path: string, work: () => T): T {
  const fd = openSync(path, 'r')
  try {
    return asGuest(() => {
      check(Number(setns(fd, CLONE_NEWNET)), 'setns', path)
      return work()
    })
  } finally {
    closeSync(fd)
  }
}

/** Restores this thread's namespace after `work`. Failing to do so would be fatal for all that follows: the thread ends. */
function asGuest<T>(work: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  try {
    return work()
  } finally {
    if (Number(setns(home, CLONE_NEWNET)) === -1) process.exit(1)
    closeSync(home)
  }
}
