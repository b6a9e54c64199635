import { EngineError, hasCode } from '../../lib/errors.ts'
import type { NamedContextQuery } from '../../wire/build.ts'
import { hostPath } from './host-path.ts'

const { statSync } = process.getBuiltinModule('node:fs')
const { resolve } = process.getBuiltinModule('node:path')

/** `--build-context name=…`; directories are named by their path on this host. */
export type NamedContexts = Readonly<Record<string, Exclude<NamedContextQuery, { kind: 'sent' }>>>

export function readNamedContexts(flags: readonly string[]): NamedContexts {
  const contexts = flags.map((flag) => {
    const equals = flag.indexOf('=')
    if (equals < 0) throw invalid(`invalid context value: ${flag}, expected key=value`)
    const name = flag.slice(0, equals)
    if (!/^[\w./:@-]+$/.test(name)) throw invalid(`invalid context name ${name}`)
    return [name, contextOf(name, flag.slice(equals + 1))] as const
  })
  return Object.fromEntries(contexts)
}

function contextOf(name: string, value: string): NamedContexts[string] {
  const image = afterScheme(value, 'docker-image')
  if (image !== undefined) return { kind: 'image', reference: image }
  const layout = afterScheme(value, 'oci-layout')
  if (layout !== undefined) return layoutOf(name, layout)
  if (/^(?:https?|git|ssh):\/\/|^[\w.+-]+@[\w.-]+:|^github\.com\//.test(value) && !isDirectory(value))
    return { kind: 'remote', url: value }
  return { kind: 'directory', ...directory(name, value) }
}

const afterScheme = (value: string, scheme: string): string | undefined =>
  value.startsWith(`${scheme}://`) ? value.slice(scheme.length + 3) : undefined

/** buildx: `PATH[:TAG][@DIGEST]`. */
function layoutOf(name: string, text: string): NamedContexts[string] {
  const [, rest = text, digest] = /^(.*)@(sha256:[0-9a-f]{64})$/.exec(text) ?? []
  const [, path = rest, tag] = isDirectory(rest) ? [] : (/^(.+):([\w][\w.-]*)$/.exec(rest) ?? [])
  return {
    kind: 'oci-layout',
    ...directory(name, path),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  }
}

function directory(name: string, value: string) {
  const path = resolve(value)
  try {
    if (statSync(path).isDirectory()) return hostPath(path)
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR', 'EACCES')) throw cause
    throw invalid(
      `failed to get build context path {${name} ${value}}: stat ${path}: no such file or directory`,
    )
  }
  throw invalid(`failed to get build context path {${name} ${value}}: ${path} is not a directory`)
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

const invalid = (message: string) => new EngineError('invalid', message)
