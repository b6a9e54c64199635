/**
 * The corpus as text, many small builds in one file that reads well:
 *
 *     === name  what it shows
 *     build: --target a --build-arg "V=two words"
 *     --- Dockerfile
 *     FROM corpus/base
 *     --- dir/script 0755 33:33
 *     #!/bin/sh
 *     --- link -> script
 *
 * Lines before the first `---`, all optional: `build:` flags as typed to a shell, `context:` the folder that is the
 * context (else the whole case), `stdin:` a file of the case that is fed to the command, `env:` NAME=VALUE words,
 * `needs:` another case, built first as image corpus/NAME, `hint:` what Gantry adds to BuildKit's error text, `ours:`
 * why what is expected is not what BuildKit 0.13 does, `#` a comment.
 *
 * A file is its path (with `\_` for a space) and attributes: an octal mode, `uid:gid`, `-> target`, `fifo`, `escaped` (\r, \t, \0, \x.., \u.... and
 * \\ count, a line end after a lone `\` does not), `tar`, `tar.gz`, `tar.xz`, `tar.bz2`, `tar.zst`: an archive whose entries its lines name, `path mode uid:gid "text"`. A path that ends in `/`
 * is a folder.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { tar, type Entry } from '../../system/archives.ts'

export interface Case {
  readonly group: string
  readonly name: string
  readonly title: string
  readonly build: readonly string[]
  readonly context: string
  readonly stdin?: string
  readonly env: Readonly<Record<string, string>>
  readonly needs: readonly string[]
  readonly hint: string
  readonly ours?: string
  readonly files: readonly CaseFile[]
}

interface CaseFile {
  readonly path: string
  readonly attributes: readonly string[]
  readonly text: string
}

export const folder = import.meta.dirname

/** All cases, by file and as they stand there. */
export function allCases(): Case[] {
  const cases = readdirSync(join(folder, 'cases'))
    .sort()
    .flatMap((file) => parseCases(basename(file, '.txt'), readFileSync(join(folder, 'cases', file), 'utf8')))
  const names = new Set<string>()
  for (const { name } of cases) {
    if (names.has(name)) throw new Error(`two cases are called ${name}`)
    names.add(name)
  }
  return cases
}

export function parseCases(group: string, text: string): Case[] {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((part) => parseCase(group, part.replace(/\n\n$/, '\n')))
}

function parseCase(group: string, text: string): Case {
  const [head = '', ...files] = text.split(/^--- /m)
  const [first = '', ...lines] = head.split('\n')
  const [, name = '', title = ''] = /^(\S+)\s+(.*)$/.exec(first) ?? []
  const settings = new Map<string, string>()
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue
    const [, key = '', value = ''] = /^(\w+): (.*)$/.exec(line) ?? []
    if (!['build', 'context', 'stdin', 'env', 'needs', 'hint', 'ours'].includes(key))
      throw new Error(`case ${name}: what is ${JSON.stringify(line)}?`)
    settings.set(key, value)
  }
  const words = (key: string) => shellWords(settings.get(key) ?? '')
  const stdin = settings.get('stdin')
  const ours = settings.get('ours')
  const hint = settings.get('hint') ?? ''
  return {
    group,
    name,
    title,
    build: words('build'),
    context: settings.get('context') ?? '.',
    env: Object.fromEntries(words('env').map((word) => word.split(/=(.*)/s).slice(0, 2) as [string, string])),
    needs: words('needs'),
    hint: hint.startsWith('"') ? (JSON.parse(hint) as string) : hint,
    files: files.map(parseFile),
    ...(stdin !== undefined && { stdin }),
    ...(ours !== undefined && { ours }),
  }
}

function parseFile(part: string): CaseFile {
  const end = part.indexOf('\n')
  const [path = '', ...attributes] = part
    .slice(0, end)
    .split(' ')
    .filter(Boolean)
    .map((word) => word.replaceAll('\\_', ' '))
  const text = part.slice(end + 1)
  return { path, attributes, text: attributes.includes('escaped') ? unescape(text) : text }
}

function unescape(text: string): string {
  const plain: Record<string, string> = { r: '\r', t: '\t', n: '\n', '0': '\0', '\\': '\\', '\n': '' }
  return text.replace(
    /\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|([^]))/gi,
    (all, long: string | undefined, short: string | undefined, one: string | undefined) => {
      const code = long ?? short
      return code === undefined ? (plain[one ?? ''] ?? all) : String.fromCodePoint(Number.parseInt(code, 16))
    },
  )
}

/** Words as a shell splits them; single and double quotes keep text together. */
export function shellWords(text: string): string[] {
  return [...text.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map((m) =>
    m[0].replace(
      /"([^"]*)"|'([^']*)'/g,
      (_all, a: string | undefined, b: string | undefined) => a ?? b ?? '',
    ),
  )
}

/** Writes a case's files; all times are the same, so that they are no news to any builder. */
export async function writeFiles(root: string, files: readonly CaseFile[]): Promise<void> {
  for (const file of files) await writeOne(root, file)
  for (const { path, attributes } of [...files].reverse()) {
    const owner = attributes.map((word) => /^(\d+):(\d+)$/.exec(word)).find(Boolean)
    const mode = attributes.find((word) => /^0[0-7]+$/.test(word))
    const at = join(root, path)
    const link = attributes.includes('->')
    if (owner && !link) chownSync(at, Number(owner[1]), Number(owner[2]))
    if (mode !== undefined) chmodSync(at, Number.parseInt(mode, 8))
    lutimesSync(at, 1_600_000_000, 1_600_000_000)
  }
}

async function writeOne(root: string, { path, attributes, text }: CaseFile): Promise<void> {
  const at = join(root, path)
  if (path.endsWith('/')) {
    mkdirSync(at, { recursive: true })
    return
  }
  mkdirSync(dirname(at), { recursive: true })
  const kind = attributes[0]
  const archive = attributes.find((word) => /^tar(\.|$)/.test(word))
  if (kind === '->') symlinkSync(attributes[1] ?? '', at)
  else if (kind === '=>') linkSync(join(root, attributes[1] ?? ''), at)
  else if (kind === 'fifo') execFileSync('mkfifo', [at])
  else if (archive !== undefined) writeFileSync(at, await archiveOf(archive, text))
  else writeFileSync(at, attributes.includes('latin1') ? Buffer.from(text, 'latin1') : text)
}

async function archiveOf(kind: string, text: string): Promise<Buffer> {
  const bytes = await tar(text.split('\n').filter(Boolean).map(archiveEntry))
  switch (kind) {
    case 'tar':
      return bytes
    case 'tar.gz':
      return gzipSync(bytes)
    case 'tar.zst':
      return zstdCompressSync(bytes)
    case 'tar.xz':
      return execFileSync('xz', ['-c'], { input: bytes })
    case 'tar.bz2':
      return execFileSync('bzip2', ['-c'], { input: bytes })
    default:
      throw new Error(`no archive is called ${kind}`)
  }
}

/** `path 0644 1:2 "text"`, `dir/ 0755`, `link -> target`, `hard => target`, `path xattr=user.a:value "text"`. */
function archiveEntry(line: string): Entry {
  const [, head = '', content] = /^(.*?)(?: ("(?:[^"\\]|\\.)*"))?$/.exec(line) ?? []
  const [name = '', ...words] = head.split(' ')
  const owner = words.map((word) => /^(\d+):(\d+)$/.exec(word)).find(Boolean)
  const mode = words.find((word) => /^0[0-7]+$/.test(word))
  const xattrs = words.filter((word) => word.startsWith('xattr=')).map((word) => word.slice(6).split(':'))
  const entry: Entry = {
    name,
    mtime: new Date(1_500_000_000_000),
    ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
    ...(owner && { uid: Number(owner[1]), gid: Number(owner[2]) }),
    ...(xattrs.length > 0 && {
      pax: Object.fromEntries(xattrs.map(([key = '', value = '']) => [`SCHILY.xattr.${key}`, value])),
    }),
  }
  const [kind, target = ''] = words
  if (kind === '->') return { ...entry, type: 'symlink', linkname: target }
  if (kind === '=>') return { ...entry, type: 'link', linkname: target }
  if (kind === 'fifo') return { ...entry, type: 'fifo' }
  if (name.endsWith('/')) return { ...entry, type: 'directory' }
  return { ...entry, content: content === undefined ? '' : (JSON.parse(content) as string) }
}
