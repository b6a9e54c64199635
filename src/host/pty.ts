import { check, libc } from './libc.ts'

const cIoctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)')
const cOpenpty = libc.func(
  'int openpty(_Out_ int *master, _Out_ int *slave, void *name, void *termios, void *winsize)',
)
const FIOCLEX = 0x5451
const TIOCSWINSZ = 0x5414
const TIOCGWINSZ = 0x5413

/** Sets the size of a terminal; the kernel sends SIGWINCH to its foreground process group when it changes. */
export function setWindowSize(fd: number, size: { rows: number; columns: number }): void {
  const winsize = Buffer.alloc(8)
  winsize.writeUInt16LE(size.rows, 0)
  winsize.writeUInt16LE(size.columns, 2)
  check(cIoctl(fd, TIOCSWINSZ, winsize), 'ioctl')
}

export function windowSize(fd: number): { rows: number; columns: number } {
  const winsize = Buffer.alloc(8)
  check(cIoctl(fd, TIOCGWINSZ, winsize), 'ioctl')
  return { rows: winsize.readUInt16LE(0), columns: winsize.readUInt16LE(2) }
}

/** A new terminal, both ends close-on-exec: who holds the master is the person, who holds the slave the program. */
export function openTerminal(): { master: number; slave: number } {
  const master = [-1]
  const slave = [-1]
  check(cOpenpty(master, slave, null, null, null), 'openpty')
  const ends = { master: master[0] ?? -1, slave: slave[0] ?? -1 }
  for (const fd of [ends.master, ends.slave]) check(cIoctl(fd, FIOCLEX, null), 'ioctl')
  return ends
}
