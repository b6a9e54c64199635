import { EngineError } from '../../lib/errors.ts'
import type { BuildQuery } from '../../wire/build.ts'
import { splitCsv } from '../run-values.ts'
import { pairOf, type ClientOutput } from './outputs.ts'

const { statSync } = process.getBuiltinModule('node:fs')
const { resolve } = process.getBuiltinModule('node:path')

export type WireCacheImport = NonNullable<BuildQuery['cacheFrom']>[number]

/**
 * `--cache-from user/app:cache`, `type=local,src=…`, `type=registry,ref=…`. `missing` is told of directories that are not
 * there: a first build has none.
 */
export function parseCacheFrom(flags: readonly string[], missing: (path: string) => void): WireCacheImport[] {
  return flags.flatMap((text): WireCacheImport[] => {
    const { type, ...attrs } = read(text)
    switch (type) {
      case 'registry': {
        const { ref = '', ...rest } = attrs
        refuseRest(type, rest)
        if (ref === '') throw new EngineError('invalid', '--cache-from type=registry needs a ref')
        return [{ kind: 'registry', reference: ref }]
      }
      case 'local': {
        const { src = '', tag, digest, ...rest } = attrs
        refuseRest(type, rest)
        if (src === '') throw new EngineError('invalid', 'local cache importer requires src')
        const path = resolve(src)
        const found = statSync(path, { bigint: true, throwIfNoEntry: false })
        if (!found) {
          missing(src)
          return []
        }
        const { dev, ino } = found
        const place = { kind: 'local' as const, path, dev: String(dev), ino: String(ino) }
        return [{ ...place, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }]
      }
      default:
        throw unknownType('--cache-from', type)
    }
  })
}

/** `--cache-to user/app:cache`, `type=local,dest=…`, `type=registry,ref=…`, `type=inline`. */
export function parseCacheTo(flags: readonly string[]): ClientOutput[] {
  return flags.map((text): ClientOutput => {
    const { type, ...attrs } = read(text)
    switch (type) {
      case 'inline':
      case 'registry':
        return { wire: { type, attrs, sent: false } }
      case 'local': {
        const { dest = '', ...rest } = attrs
        if (dest === '') throw new EngineError('invalid', 'local cache exporter requires dest')
        return { wire: { type, attrs: rest, sent: true }, dest: { kind: 'directory', path: dest } }
      }
      default:
        throw unknownType('--cache-to', type)
    }
  })
}

function read(text: string): Record<string, string> & { type: string } {
  const fields = splitCsv(text)
  // A name alone is that of a cache in a registry.
  if (!text.includes('=')) return { type: 'registry', ref: text }
  const { type = '', ...attrs } = Object.fromEntries(fields.map(pairOf))
  if (type === '') throw new EngineError('invalid', `type required form> ${JSON.stringify(text)}`)
  return { type, ...attrs }
}

function refuseRest(type: string, rest: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(rest))
    throw new EngineError('unsupported', `--cache-from type=${type}: ${name} is not supported`)
}

const unknownType = (flag: string, type: string) =>
  new EngineError(
    'unsupported',
    `${flag} type=${type} is not supported: there are registry and local${flag === '--cache-to' ? ', and inline' : ''}`,
  )
