/** What `env_file` and `label_file` bring to services. */
import { parseDotenv, type EnvFile, type EnvValue } from './dotenv.ts'
import { addLater, unset } from './env-files.ts'
import { booleanOf } from './casts.ts'
import { fromPairs } from './forms/sequences.ts'
import {
  ComposeError,
  get,
  mapping,
  nowhere,
  placedOver,
  put,
  scalar,
  textOf,
  type Entry,
  type Mapping,
  type Node,
} from './node.ts'
import { isFile, readSource, shownFile, type Surroundings } from './scope.ts'

interface Options extends Surroundings {
  readonly warn: (text: string) => void
}

/** The service with all variables of its files in `environment`; its own values win. */
export function withEnvFiles(service: Mapping, o: Options): Mapping {
  const files = get(service, 'env_file')
  if (files?.kind !== 'sequence') return service
  const found: EnvFile = new Map()
  for (const file of files.items) {
    const required = get(file, 'required')
    const path = textOf(get(file, 'path')) ?? ''
    const format = textOf(get(file, 'format')) ?? ''
    if (!isFile(path)) {
      if (!isRequired(required)) continue
      throw new ComposeError(file.at, `env file ${path} not found: stat ${path}: no such file or directory`)
    }
    if (format !== '' && format !== 'raw')
      throw new ComposeError(file.at, `unsupported env_file format ${JSON.stringify(format)}`)
    addFile(found, { path, file, raw: format === 'raw', o })
  }
  return put(over(service, 'environment', found), 'env_file', undefined)
}

/** The same for `label_file` and `labels`. */
export function withLabelFiles(service: Mapping, o: Options & { readonly keep: boolean }): Mapping {
  const files = get(service, 'label_file')
  if (files?.kind !== 'sequence') return service
  const found: EnvFile = new Map()
  for (const file of files.items) {
    const path = textOf(file) ?? ''
    if (!isFile(path))
      throw new ComposeError(file.at, `label file ${path} not found: stat ${path}: no such file or directory`)
    addFile(found, { path, file, raw: false, o })
  }
  const labelled = over(service, 'labels', found)
  return o.keep ? labelled : put(labelled, 'label_file', undefined)
}

function isRequired(node: Node | undefined): boolean {
  if (node?.kind !== 'scalar') return true
  return typeof node.value === 'string'
    ? booleanOf(node.value, node, 'env_file.required')
    : node.value === true
}

interface OneFile {
  readonly path: string
  /** The node that names it. */
  readonly file: Node
  readonly raw: boolean
  readonly o: Options
}

function addFile(found: EnvFile, { path, file, raw, o }: OneFile): void {
  const more = parseDotenv(readSource({ path, from: file.at }), {
    file: shownFile(path),
    lookup: (name) => found.get(name)?.value ?? o.environment.get(name),
    placeOf: (name) => found.get(name)?.at ?? o.sources.get(name) ?? nowhere,
    missing: (name) => o.warn(unset(name)),
    raw,
  })
  addLater(found, more)
}

function over(service: Mapping, key: string, found: EnvFile): Mapping {
  const own = get(service, key)
  const entries = new Map<string, Entry>()
  for (const [name, { value, at }] of found) entries.set(name, { at, value: scalar(value, at) })
  for (const [name, entry] of fromPairs(own ?? scalar(null))?.entries ?? [])
    entries.set(name, overFile(entry, found.get(name)))
  const all: Node = mapping(entries, own?.at ?? service.at)
  return entries.size === 0 ? service : put(service, key, all)
}

function overFile({ at, value }: Entry, before: EnvValue | undefined): Entry {
  if (!before || value.kind !== 'scalar') return { at, value }
  return { at, value: { ...value, at: placedOver(value.at, before) } }
}
