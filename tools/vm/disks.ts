/** The disks of the virtual machine: Debian with what the engine needs, this checkout's packages, and its files. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const guest = join(import.meta.dirname, 'guest')

export interface SystemImage {
  readonly disk: string
  readonly kernel: string
  readonly initrd: string
}

const packages =
  'linux-image-cloud-amd64 systemd-sysv udev dbus kmod iproute2 nftables crun runc conmon tini git xz-utils bzip2 procps ' +
  'ca-certificates libatomic1 busybox-static openssh-server openssl strace'

/** Debian of a release, made once for each recipe; a minute, with packages from the mirror. */
export function systemImage(cache: string, release: string): SystemImage {
  const recipe = [
    release,
    packages,
    ...['init', 'vm.service'].map((name) => readFileSync(join(guest, name), 'utf8')),
  ]
  const place = join(cache, `${release}-${digest(recipe.join('\n'))}`)
  const image = { disk: join(place, 'disk'), kernel: join(place, 'kernel'), initrd: join(place, 'initrd') }
  if (existsSync(place)) return image
  using work = scratch(cache)
  const tree = join(work.path, 'root')
  console.error(`making an image of Debian ${release}, once`)
  run('mmdebstrap', [
    '--quiet',
    '--mode=root',
    '--variant=minbase',
    `--include=${packages.replaceAll(' ', ',')}`,
    // The initial file system needs no more than this to find the disk.
    `--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"`,
    `--essential-hook=echo MODULES=list >"$1/etc/initramfs-tools/conf.d/vm"`,
    `--essential-hook=printf "virtio_pci\\nvirtio_blk\\next4\\n" >"$1/usr/share/initramfs-tools/modules.d/vm"`,
    `--customize-hook=mkdir "$1/checkout"`,
    `--customize-hook=install -m 755 ${join(guest, 'init')} "$1/usr/local/sbin/vm-init"`,
    `--customize-hook=install -m 644 ${join(guest, 'vm.service')} "$1/etc/systemd/system/vm.service"`,
    // What only takes time where every instruction is emulated.
    `--customize-hook=chroot "$1" systemctl --quiet enable vm.service`,
    `--customize-hook=chroot "$1" systemctl --quiet mask ssh.service getty@tty1.service serial-getty@ttyS0.service timers.target e2scrub_reap.service`,
    release,
    tree,
  ])
  const result = join(work.path, 'result')
  mkdirSync(result)
  for (const [name, pattern] of [
    ['kernel', 'vmlinuz-*'],
    ['initrd', 'initrd.img-*'],
  ] as const)
    copyFileSync(
      join(tree, 'boot', globSync(pattern, { cwd: join(tree, 'boot') })[0] ?? name),
      join(result, name),
    )
  makeDisk(join(result, 'disk'), tree, '6G')
  renameSync(result, place)
  return image
}

/** node_modules without the caches of this machine, made once for each package-lock.json. */
export function modulesDisk(cache: string): string {
  const disk = join(cache, `modules-${digest(readFileSync(join(root, 'package-lock.json'), 'utf8'))}`)
  if (existsSync(disk)) return disk
  using work = scratch(cache)
  const tree = join(work.path, 'modules')
  console.error('making a disk of node_modules, once')
  run('cp', ['-a', join(root, 'node_modules'), tree])
  rmSync(join(tree, '.cache'), { recursive: true, force: true })
  makeDisk(join(work.path, 'disk'), tree, '2G')
  renameSync(join(work.path, 'disk'), disk)
  return disk
}

/** The checkout as it is now, changes that are not committed included, and the command to run. */
export function checkoutDisk(place: string, command: string | undefined): string {
  const tree = join(place, 'checkout')
  mkdirSync(join(tree, 'node_modules'), { recursive: true })
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  })
  for (const file of files.toString().split('\0')) {
    // Deleted, and not yet committed.
    if (file === '' || !existsSync(join(root, file))) continue
    mkdirSync(join(tree, dirname(file)), { recursive: true })
    run('cp', ['-a', join(root, file), join(tree, file)])
  }
  if (command !== undefined) writeFileSync(join(tree, '.vm-command'), command)
  const disk = join(place, 'checkout.disk')
  makeDisk(disk, tree, '300M')
  return disk
}

function makeDisk(disk: string, tree: string, size: string): void {
  run('truncate', ['-s', size, disk])
  run('mkfs.ext4', ['-q', '-F', '-d', tree, disk])
}

function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  })
}

export function scratch(cache: string): Disposable & { readonly path: string } {
  mkdirSync(cache, { recursive: true })
  const path = mkdtempSync(join(cache, 'work-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12)
