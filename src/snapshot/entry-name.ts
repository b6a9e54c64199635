import { EngineError } from '../lib/errors.ts'
import { SyscallError } from '../host/libc.ts'
import { showName, type TarEntry } from './tar-header.ts'

/** Docker's and OCI's mark in an archive: `.wh.x` deletes `x` of the layers below. */
export const whiteoutPrefix = '.wh.'
/** In a directory: nothing of the layers below shows through. */
export const opaqueName = '.wh..wh..opq'

export function refused(name: string, why: string): EngineError {
  return new EngineError('invalid', `refused archive entry ${showName(name)}: ${why}`)
}

/** The components of an entry's name; none for the root itself. Throws kind `invalid` for names that lead elsewhere. */
export function partsOf(name: string, entry: string = name): string[] {
  const what = name === entry ? 'its name' : `its link target ${showName(name)}`
  if (name === '') throw refused(entry, `${what} is empty`)
  if (name.startsWith('/')) throw refused(entry, `${what} is absolute`)
  if (name.includes('\0')) throw refused(entry, `${what} contains a NUL byte`)
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  for (const part of parts) {
    if (part === '..') throw refused(entry, `${what} contains ".."`)
    if (part.length > 255) throw refused(entry, `${what} has a part of ${part.length} bytes`)
  }
  return parts
}

/**
 * Docker: a relative symlink that climbs above the root is refused; an absolute one means the container's root.
 * Either could not lead out of a container; but nobody writes the first by accident.
 */
export function checkSymlink(entry: TarEntry, parts: readonly string[]): void {
  if (entry.linkName === '' || entry.linkName.includes('\0'))
    throw refused(entry.name, 'it is a symlink without a target')
  if (entry.linkName.startsWith('/')) return
  let depth = parts.length - 1
  for (const part of entry.linkName.split('/')) {
    if (part === '' || part === '.') continue
    depth += part === '..' ? -1 : 1
    if (depth < 0)
      throw refused(entry.name, `it is a symlink to ${showName(entry.linkName)}, outside the archive's root`)
  }
}

/** What the kernel's answer means for the person who brought the archive. */
export function explain(entry: string, error: unknown): unknown {
  if (!(error instanceof SyscallError)) return error
  switch (error.code) {
    case 'ELOOP':
      return refused(entry, 'its path leads through a symlink')
    case 'ENOTDIR':
      return refused(entry, 'its path leads through something that is not a directory')
    case 'ENAMETOOLONG':
      return refused(entry, 'its name is too long')
    default:
      return new EngineError('internal', `cannot unpack ${showName(entry)}: ${error.message}`, {
        cause: error,
      })
  }
}
