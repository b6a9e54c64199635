import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '../lib/errors.ts'

const registry = '/proc/sys/fs/binfmt_misc'
/** ELF machine numbers by Go's names of architectures. */
export const machines: Readonly<Record<string, number>> = {
  386: 3,
  amd64: 62,
  arm: 40,
  arm64: 183,
  loong64: 258,
  mips64le: 8,
  ppc64le: 21,
  riscv64: 243,
  s390x: 22,
}
/** What the processor of a host runs besides its own. */
export const alsoNative: Readonly<Record<string, string>> = { amd64: '386', arm64: 'arm' }

/** Machines for which an interpreter is registered that was opened when it was: it need not be in the container. */
export function emulatedMachines(dir: string = registry): Set<number> {
  const found = new Set<number>()
  for (const name of namesIn(dir)) {
    if (name === 'register' || name === 'status') continue
    const text = readFileSync(join(dir, name), 'utf8')
    const magic = /^magic (7f454c46[0-9a-f]+)$/m.exec(text)?.[1]
    if (magic === undefined || !text.startsWith('enabled') || !/^flags: .*F/m.test(text)) continue
    const bytes = Buffer.from(magic, 'hex')
    if (bytes.length < 20) continue
    // Byte 5 says which end comes first.
    found.add(bytes[5] === 2 ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18))
  }
  return found
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}
