import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EngineError, hasCode } from '../../lib/errors.ts'

const registry = '/proc/sys/fs/binfmt_misc'
/** ELF machine numbers. */
const machines: Readonly<Record<string, number>> = {
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
const native: Readonly<Record<string, string>> = { amd64: '386', arm64: 'arm' }

/** Throws kind `unsupported` when programs for `os/architecture` do not run here: neither the processor nor binfmt_misc does it. */
export function assertRunnable(platform: string, o: { host: string; dir?: string }): void {
  const architecture = platform.split('/')[1] ?? ''
  if (architecture === o.host || native[o.host] === architecture) return
  if (emulated(o.dir ?? registry).has(machines[architecture] ?? -1)) return
  throw new EngineError(
    'unsupported',
    `RUN for ${platform} is not possible on linux/${o.host}: no emulator is registered in binfmt_misc (with flag F, so that it is found in containers)`,
  )
}

/** Machines for which an interpreter is registered that was opened when it was: it need not be in the container. */
function emulated(dir: string): Set<number> {
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
