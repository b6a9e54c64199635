/**
 * A virtual machine with cgroup version 2 and nothing else, for trying this checkout on it:
 *
 *   tools/with-node tools/vm/main.ts [--init plain|systemd] [--release bookworm] [--memory MIB] [-- COMMAND…]
 *
 * runs the command in the checkout there, with its output and exit code, or a shell. Root, Debian's qemu-system-x86, mmdebstrap
 * and e2fsprogs; processors are emulated where the host has no KVM, which makes everything some thirty times slower. Nothing
 * that the machine writes outlives it. GANTRY_VM_CACHE says where the disks are kept.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkoutDisk, modulesDisk, scratch, systemImage } from './disks.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    init: { type: 'string', default: 'plain' },
    // qemu of Debian 12 cannot emulate the kernel of Debian 13: it patches itself.
    release: { type: 'string', default: 'bookworm' },
    memory: { type: 'string', default: '3072' },
  },
})

const missing = ['qemu-system-x86_64', 'mmdebstrap', 'mkfs.ext4'].filter(
  (program) =>
    !`${process.env['PATH']}:/usr/sbin:/sbin`.split(':').some((folder) => existsSync(join(folder, program))),
)
if (missing.length > 0 || process.getuid?.() !== 0 || !['plain', 'systemd'].includes(values.init)) {
  console.error(
    missing.length > 0
      ? `vm: ${missing.join(', ')} missing: install qemu-system-x86, mmdebstrap and e2fsprogs`
      : 'usage, as root: tools/vm/main.ts [--init plain|systemd] [--release NAME] [--memory MIB] [-- COMMAND…]',
  )
  process.exit(2)
}

const cache = process.env['GANTRY_VM_CACHE'] ?? '/var/cache/gantry-vm'
const { disk, kernel, initrd } = systemImage(cache, values.release)
const modules = modulesDisk(cache)
using work = scratch(cache)
const quoted = positionals.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
const checkout = checkoutDisk(work.path, positionals.length > 0 ? quoted : undefined)
const status = join(work.path, 'status')
const log = join(work.path, 'console')

const init =
  values.init === 'plain'
    ? 'init=/usr/local/sbin/vm-init -- plain'
    : 'systemd.show_status=0 systemd.unified_cgroup_hierarchy=1'
const drive = (file: string) => ['-drive', `file=${file},format=raw,if=virtio,snapshot=on`]
const child = spawn(
  'qemu-system-x86_64',
  [
    ...(hasKvm()
      ? ['-accel', 'kvm', '-cpu', 'host']
      : ['-accel', 'tcg,thread=multi', '-cpu', 'max,la57=off']),
    ...`-smp 2 -m ${values.memory} -display none -nodefaults -no-reboot`.split(' '),
    '-kernel',
    kernel,
    '-initrd',
    initrd,
    '-append',
    `root=/dev/vda rw console=ttyS0 panic=-1 ${init}`,
    ...[disk, checkout, modules].flatMap(drive),
    ...`-device virtio-serial -device virtconsole,chardev=io -device virtconsole,chardev=status`.split(' '),
    '-chardev',
    `stdio,id=io,signal=${positionals.length > 0 ? 'on' : 'off'}`,
    '-chardev',
    `file,id=status,path=${status}`,
    '-serial',
    `file:${log}`,
    '-nic',
    'user,model=virtio-net-pci',
  ],
  { stdio: 'inherit' },
)
const code = await new Promise<number>((resolve, reject) => {
  child.on('error', reject)
  child.on('close', () =>
    resolve(Number(existsSync(status) ? readFileSync(status, 'utf8').trim() || NaN : NaN)),
  )
})
if (Number.isNaN(code)) {
  console.error(
    `vm: the machine ended before the command did. Its last words:\n${readFileSync(log, 'utf8').slice(-2000)}`,
  )
  process.exitCode = 125
} else process.exitCode = code

function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch {
    return false
  }
  // A device without what it stands for is left over in containers and in machines that are virtual themselves.
  return /^flags\s*:.*\b(?:vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'))
}
