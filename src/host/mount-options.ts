import {
  MS_BIND,
  MS_NOATIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from './mount.ts'

const MS_SYNCHRONOUS = 0x10
const MS_MANDLOCK = 0x40
const MS_DIRSYNC = 0x80
const MS_NODIRATIME = 0x800
const MS_RELATIME = 0x200000
const MS_STRICTATIME = 0x1000000

/** What mount(8) calls them. `off` takes the bits away again. */
const names: Readonly<Record<string, { on?: number; off?: number }>> = {
  defaults: {},
  ro: { on: MS_RDONLY },
  rw: { off: MS_RDONLY },
  nosuid: { on: MS_NOSUID },
  suid: { off: MS_NOSUID },
  nodev: { on: MS_NODEV },
  dev: { off: MS_NODEV },
  noexec: { on: MS_NOEXEC },
  exec: { off: MS_NOEXEC },
  sync: { on: MS_SYNCHRONOUS },
  async: { off: MS_SYNCHRONOUS },
  dirsync: { on: MS_DIRSYNC },
  remount: { on: MS_REMOUNT },
  mand: { on: MS_MANDLOCK },
  nomand: { off: MS_MANDLOCK },
  noatime: { on: MS_NOATIME },
  atime: { off: MS_NOATIME },
  nodiratime: { on: MS_NODIRATIME },
  diratime: { off: MS_NODIRATIME },
  relatime: { on: MS_RELATIME },
  norelatime: { off: MS_RELATIME },
  strictatime: { on: MS_STRICTATIME },
  nostrictatime: { off: MS_STRICTATIME },
  bind: { on: MS_BIND },
  rbind: { on: MS_BIND | MS_REC },
}

const propagations: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
}

export interface ParsedMountOptions {
  /** MS_* bits of the mount itself. */
  readonly flags: number
  /** MS_* bits for a second call; 0 when none was named. */
  readonly propagation: number
  /** What the file system has to understand. */
  readonly data: string
}

/** The text behind `mount -o`, as the kernel takes it. */
export function parseMountOptions(text: string): ParsedMountOptions {
  let flags = 0
  let propagation = 0
  const data: string[] = []
  for (const option of text.split(',').filter((word) => word !== '')) {
    const known = Object.hasOwn(names, option) ? names[option] : undefined
    if (known) flags = (flags | (known.on ?? 0)) & ~(known.off ?? 0)
    else if (Object.hasOwn(propagations, option)) propagation = propagations[option] ?? 0
    else data.push(option)
  }
  return { flags, propagation, data: data.join(',') }
}
