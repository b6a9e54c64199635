import { lookup } from 'node:dns/promises'
import { getSystemErrorMap } from 'node:util'
import { EngineError, hasCode } from '../lib/errors.ts'
import { SyscallError } from '../host/libc.ts'
import {
  isMountPoint,
  MNT_DETACH,
  mount,
  mountsUnder,
  MS_BIND,
  MS_RDONLY,
  MS_REMOUNT,
  unmount,
} from '../host/mount.ts'
import { parseMountOptions } from '../host/mount-options.ts'

/** Options of docker's `local` driver: with them a volume is a mount that exists while somebody uses it. */
export type DriverOptions = Readonly<Record<string, string>>

const known = ['type', 'device', 'o', 'size']
/** Docker: which option needs which others. */
const needs = [
  ['device', 'type'],
  ['type', 'device'],
  ['o', 'device'],
  ['o', 'type'],
] as const

/** Throws kind `invalid` with docker's texts. */
export function checkOptions(name: string, o: DriverOptions): void {
  const invalid = (text: string) => new EngineError('invalid', `create ${name}: ${text}`)
  for (const option of Object.keys(o))
    if (!known.includes(option)) throw invalid(`invalid option: ${JSON.stringify(option)}`)
  if (o['size'] !== undefined) throw invalid('quota size requested but no quota support')
  for (const [option, needed] of needs)
    if (o[option] !== undefined && o[needed] === undefined)
      throw invalid(`missing required option: ${JSON.stringify(needed)}`)
}

export const isMounted = (o: DriverOptions): boolean => o['device'] !== undefined

/** Mounts what the options name; the failure is docker's text around the kernel's reason. */
export async function mountVolume(o: DriverOptions, target: string): Promise<void> {
  const type = o['type'] ?? ''
  const source = o['device'] ?? ''
  const { flags, propagation, data: text } = parseMountOptions(o['o'] ?? '')
  let data = text
  try {
    data = await withAddress(type, text)
    mount({ source, target, type, flags, data })
    // The kernel ignores `ro` where it makes a bind mount.
    if ((flags & MS_BIND) !== 0 && (flags & MS_RDONLY) !== 0)
      mount({ source, target, flags: flags | MS_REMOUNT })
    if (propagation !== 0) mount({ source: 'none', target, flags: propagation })
  } catch (cause) {
    if (isMountPoint(target)) unmount(target, MNT_DETACH)
    const details = [
      `${source}:${target}`,
      ...(flags === 0 ? [] : [`flags: 0x${flags.toString(16)}`]),
      ...(data === '' ? [] : [`data: ${data}`]),
    ]
    throw new EngineError(
      'invalid',
      `error while mounting volume '${target}': failed to mount local volume: mount ${details.join(', ')}: ${reason(cause)}`,
      { cause },
    )
  }
}

/** Unmounts a volume; busy in the host's own namespace, it goes when its last user closes it. */
export function unmountVolume(target: string): void {
  for (let rounds = 0; rounds < 10 && isMountPoint(target); rounds++) detach(target)
}

/** Takes away whatever is mounted at or below a path, so that deleting the path deletes nothing else's files. */
export function unmountBelow(path: string): void {
  for (const target of mountsUnder(path)) detach(target)
  const [left] = mountsUnder(path)
  if (left !== undefined) throw new EngineError('internal', `${left} is still mounted`)
}

function detach(target: string): void {
  try {
    unmount(target)
  } catch (error) {
    if (!hasCode(error, 'EBUSY')) throw error
    unmount(target, MNT_DETACH)
  }
}

/** Docker: the kernel wants a network file system's server as an address. */
async function withAddress(type: string, data: string): Promise<string> {
  if (!/^(nfs4?|cifs)$/.test(type)) return data
  const options = data.split(',')
  const index = options.findIndex((option) => option.startsWith('addr='))
  const host = options[index]?.slice('addr='.length)
  if (host === undefined) return data
  const { address } = await lookup(host)
  options[index] = `addr=${address}`
  return options.join(',')
}

function reason(error: unknown): string {
  if (error instanceof SyscallError) return getSystemErrorMap().get(-error.errno)?.[1] ?? error.code
  return error instanceof Error ? error.message : String(error)
}
