import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { EngineError, hasCode } from '../lib/errors.ts'

/** What TLS to one host uses. */
export interface TlsFiles {
  /** PEM texts: the host's own, which count beside the system's. */
  readonly ca: readonly string[]
  readonly pairs: readonly { readonly cert: string; readonly key: string }[]
}

/**
 * Docker's layout: `<dir>/<host[:port]>/*.crt` are authorities, `*.cert` with `*.key` client certificates. The first
 * folder that exists for the host counts. Throws kind `invalid` naming a file without its partner.
 */
export function readTlsFiles(dirs: readonly string[], host: string): TlsFiles {
  for (const dir of dirs) {
    const folder = join(dir, folderName(host))
    const names = list(folder)
    if (!names) continue
    const read = (name: string) => readFileSync(join(folder, name), 'utf8')
    const certs = names.filter((name) => name.endsWith('.cert'))
    for (const name of names)
      if (name.endsWith('.key') && !names.includes(name.replace(/key$/, 'cert')))
        throw new EngineError(
          'invalid',
          `missing client certificate ${name.replace(/key$/, 'cert')} for key ${join(folder, name)}`,
        )
    const pairs = certs.map((name) => {
      const key = name.replace(/cert$/, 'key')
      if (!names.includes(key))
        throw new EngineError(
          'invalid',
          `missing key ${key} for client certificate ${join(folder, name)}: CA certificates must use the extension .crt`,
        )
      return { cert: read(name), key: read(key) }
    })
    return { ca: names.filter((name) => name.endsWith('.crt')).map(read), pairs }
  }
  return { ca: [], pairs: [] }
}

/** A host comes from an image's name; its grammar has no slash, and this keeps it to one component whatever comes. */
function folderName(host: string): string {
  if (/[/\0]/.test(host) || host === '.' || host === '..')
    throw new EngineError('invalid', `invalid registry host ${JSON.stringify(host)}`)
  return host
}

function list(folder: string): string[] | undefined {
  try {
    return readdirSync(folder).toSorted()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

let authorities: string[] | undefined

/** Those of the machine and those that Node brings: a machine without a certificate package still reaches registries. */
export function systemAuthorities(): readonly string[] {
  return (authorities ??= [...new Set([...getCACertificates('system'), ...getCACertificates('default')])])
}
