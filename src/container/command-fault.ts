import { posix } from 'node:path'
import { alsoNative, emulatedMachines, machines } from '../host/binfmt.ts'
import { closest } from '../lib/closest.ts'
import { hasCode } from '../lib/errors.ts'
import type { CommandTree } from './command-tree.ts'

/** Where programs are looked up when the container has no PATH. */
export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Why the kernel cannot run a command, in one sentence with what to do about it. */
export interface CommandFault {
  readonly kind:
    | 'not-found'
    | 'permission'
    | 'directory'
    | 'interpreter'
    | 'architecture'
    | 'line-ends'
    | 'format'
  readonly text: string
}

export interface CommandFacts {
  readonly tree: Pick<CommandTree, 'stat' | 'readStart' | 'names'>
  /** The program as it was given: a path, or a name that is looked up. */
  readonly program: string
  readonly cwd: string
  /** `PATH` of the container. */
  readonly path: string
  /** In Go's words. */
  readonly hostArchitecture: string
}

/** The first line of a script may be so long (the kernel's limit is 256), an ELF header with its program headers, too. */
const headSize = 4096
/** Somebody else's folders may hold any number of names. */
const maxGuesses = 5000
/** A script may name a script as its interpreter; the kernel follows four. */
const maxDepth = 4

/** Looks at the command's file as the kernel does. Undefined when nothing is wrong with it. */
export function commandFault(facts: CommandFacts): CommandFault | undefined {
  const file = find(facts, facts.program)
  if (file !== undefined) return fileFault(facts, file, 0)
  const quoted = JSON.stringify(facts.program)
  if (facts.program.includes('/'))
    return { kind: 'not-found', text: `${quoted} does not exist in the container${similar(facts)}` }
  return {
    kind: 'not-found',
    text: `no program ${quoted} in the container's PATH (${facts.path})${similar(facts)}`,
  }
}

/** The file that a name means; docker's rule: a name without a slash is looked up. */
function find(facts: CommandFacts, name: string): string | undefined {
  if (name.includes('/')) {
    const file = posix.resolve(facts.cwd || '/', name)
    return exists(facts.tree, file) ? file : undefined
  }
  return directoriesOf(facts)
    .map((directory) => posix.join(directory, name))
    .find((file) => exists(facts.tree, file))
}

function fileFault(facts: CommandFacts, file: string, depth: number): CommandFault | undefined {
  const { kind, mode } = facts.tree.stat(file)
  if (kind === 'directory') return { kind: 'directory', text: `${file} is a directory, not a program` }
  if (kind !== 'file') return { kind: 'format', text: `${file} is no regular file` }
  if ((mode & 0o111) === 0)
    return {
      kind: 'permission',
      text: `${file} is not executable (mode ${mode.toString(8).padStart(4, '0')}): chmod +x, or COPY --chmod=755`,
    }
  const head = facts.tree.readStart(file, headSize)
  if (head.subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1'))) return elfFault(facts, file, head)
  if (head.subarray(0, 2).toString() === '#!') return scriptFault(facts, { file, head, depth })
  if (head.length === 0) return { kind: 'format', text: `${file} is empty: there is nothing to run` }
  if (head.subarray(0, 5).toString('latin1') === '\xef\xbb\xbf#!')
    return {
      kind: 'format',
      text: `${file} begins with a byte order mark before its #!: save it as UTF-8 without BOM`,
    }
  return {
    kind: 'format',
    text: `${file} is neither a program nor a script whose first line begins with #!: add one, such as #!/bin/sh`,
  }
}

function scriptFault(
  facts: CommandFacts,
  o: { file: string; head: Buffer; depth: number },
): CommandFault | undefined {
  const { file } = o
  const line = o.head.subarray(2).toString('latin1').split('\n', 1)[0] ?? ''
  const [interpreter = '', ...words] = line.trim().split(/[ \t]+/)
  if (line.endsWith('\r'))
    return {
      kind: 'line-ends',
      text: `${file} has Windows line ends: the kernel looks for an interpreter called ${JSON.stringify(`${words.at(-1) ?? interpreter}\r`)}. Save it with LF (dos2unix; in git: "*.sh text eol=lf" in .gitattributes)`,
    }
  if (interpreter === '') return { kind: 'format', text: `${file} names no interpreter after its #!` }
  const wants = `${file} wants the interpreter ${interpreter} (its first line)`
  if (!exists(facts.tree, interpreter))
    return {
      kind: 'interpreter',
      text: `${wants}, which is not in the container: install it, or use one that is there, such as /bin/sh`,
    }
  const program = words.find((word) => !word.startsWith('-') && !word.includes('='))
  if (interpreter.endsWith('/env') && program !== undefined && find(facts, program) === undefined)
    return {
      kind: 'interpreter',
      text: `${file} wants ${program} (its first line: env looks in PATH=${facts.path}), which is not in the container: install it`,
    }
  if (o.depth >= maxDepth) return { kind: 'format', text: `${wants}, and so on without an end` }
  const fault = fileFault(facts, interpreter, o.depth + 1)
  return fault && { kind: fault.kind, text: `${wants}: ${fault.text}` }
}

/** ELF: e_machine at 18; program headers say which loader it wants (PT_INTERP, 3). */
function elfFault(facts: CommandFacts, file: string, head: Buffer): CommandFault | undefined {
  if (head.length < 64) return { kind: 'format', text: `${file} is a damaged program: it is cut off` }
  const wide = head[4] === 2
  const big = head[5] === 2
  const u16 = (at: number) => (big ? head.readUInt16BE(at) : head.readUInt16LE(at))
  const u32 = (at: number) => (big ? head.readUInt32BE(at) : head.readUInt32LE(at))
  const word = (at: number) =>
    wide ? Number(big ? head.readBigUInt64BE(at) : head.readBigUInt64LE(at)) : u32(at)
  const machine = u16(18)
  const host = facts.hostArchitecture
  const runs = [machines[host], machines[alsoNative[host] ?? '']]
  if (!runs.includes(machine) && !emulatedMachines().has(machine)) {
    const name = Object.keys(machines).find((key) => machines[key] === machine) ?? `machine ${machine}`
    return {
      kind: 'architecture',
      text: `${file} is built for ${name}, and this host is ${host}: take or build the image with --platform linux/${host}, or register an emulator (binfmt_misc with qemu-user-static)`,
    }
  }
  const table = word(wide ? 32 : 28)
  const size = u16(wide ? 54 : 42)
  const count = u16(wide ? 56 : 44)
  for (let index = 0; index < count; index++) {
    const at = table + index * size
    if (at + size > head.length || size < (wide ? 56 : 32)) return undefined
    if (u32(at) !== 3) continue
    const offset = word(at + (wide ? 8 : 4))
    const loader = head
      .subarray(offset, offset + word(at + (wide ? 32 : 16)))
      .toString('latin1')
      .replace(/\0.*$/s, '')
    if (loader === '' || exists(facts.tree, loader)) return undefined
    const libc = /musl/.test(loader) ? ' (musl)' : /ld-linux/.test(loader) ? ' (glibc)' : ''
    return {
      kind: 'interpreter',
      text: `${file} is linked against the loader ${loader}${libc}, which is not in the container: link it statically, or use a base image that has it`,
    }
  }
  return undefined
}

function exists(tree: CommandFacts['tree'], file: string): boolean {
  try {
    tree.stat(file)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) return false
    throw error
  }
}

const directoriesOf = (facts: CommandFacts): string[] =>
  facts.path.split(':').map((directory) => posix.resolve(facts.cwd || '/', directory))

/** A name nearby that is there. */
function similar(facts: CommandFacts): string {
  const { program, tree } = facts
  const isPath = program.includes('/')
  const folders = isPath ? [posix.dirname(posix.resolve(facts.cwd || '/', program))] : directoriesOf(facts)
  const names = folders.flatMap((folder) => {
    try {
      return tree.names(folder)
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) return []
      throw error
    }
  })
  const guess = closest(posix.basename(program), names.slice(0, maxGuesses))
  return guess === undefined ? '' : `: did you mean ${isPath ? posix.join(folders[0] ?? '/', guess) : guess}?`
}
