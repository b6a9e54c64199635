import { HclError, type Value } from './hcl-syntax.ts'
import { isMap, show, toBoolean, toText, typeName } from './hcl-values.ts'

type Texts = readonly string[]
/** A value of null takes back what an inherited target says. */
type Pairs = Readonly<Record<string, string | null>>

/** One build, in buildx's words. The order of the fields is that of `--print`. */
export interface Target {
  readonly annotations?: Texts
  readonly attest?: Texts
  readonly inherits?: Texts
  readonly context?: string
  readonly contexts?: Pairs
  readonly dockerfile?: string
  readonly 'dockerfile-inline'?: string
  readonly args?: Pairs
  readonly labels?: Pairs
  readonly tags?: Texts
  readonly 'cache-from'?: Texts
  readonly 'cache-to'?: Texts
  readonly target?: string
  readonly secret?: Texts
  readonly ssh?: Texts
  readonly platforms?: Texts
  readonly output?: Texts
  readonly pull?: boolean
  readonly 'no-cache'?: boolean
  readonly network?: string
  readonly 'no-cache-filter'?: Texts
  readonly 'shm-size'?: string
  readonly ulimits?: Texts
  readonly call?: string
  readonly entitlements?: Texts
  readonly 'extra-hosts'?: Pairs
  readonly description?: string
}

type Field = keyof Target
type Kind = 'text' | 'flag' | 'texts' | 'pairs'

/** How each field is read, and what a later definition does to an earlier one. */
const fields: Readonly<Record<Field, { kind: Kind; merge: 'replace' | 'append' }>> = {
  annotations: { kind: 'texts', merge: 'append' },
  attest: { kind: 'texts', merge: 'append' },
  inherits: { kind: 'texts', merge: 'append' },
  context: { kind: 'text', merge: 'replace' },
  contexts: { kind: 'pairs', merge: 'append' },
  dockerfile: { kind: 'text', merge: 'replace' },
  'dockerfile-inline': { kind: 'text', merge: 'replace' },
  args: { kind: 'pairs', merge: 'append' },
  labels: { kind: 'pairs', merge: 'append' },
  tags: { kind: 'texts', merge: 'replace' },
  'cache-from': { kind: 'texts', merge: 'append' },
  'cache-to': { kind: 'texts', merge: 'replace' },
  target: { kind: 'text', merge: 'replace' },
  secret: { kind: 'texts', merge: 'append' },
  ssh: { kind: 'texts', merge: 'append' },
  platforms: { kind: 'texts', merge: 'replace' },
  output: { kind: 'texts', merge: 'replace' },
  pull: { kind: 'flag', merge: 'replace' },
  'no-cache': { kind: 'flag', merge: 'replace' },
  network: { kind: 'text', merge: 'replace' },
  'no-cache-filter': { kind: 'texts', merge: 'replace' },
  'shm-size': { kind: 'text', merge: 'replace' },
  ulimits: { kind: 'texts', merge: 'replace' },
  call: { kind: 'text', merge: 'replace' },
  entitlements: { kind: 'texts', merge: 'append' },
  'extra-hosts': { kind: 'pairs', merge: 'append' },
  description: { kind: 'text', merge: 'replace' },
}

export const fieldNames = Object.keys(fields) as Field[]
export const kindOf = (field: Field): Kind => fields[field].kind
export const isField = (name: string): name is Field => Object.hasOwn(fields, name)

/** A target as one block has it. */
export function targetOf(name: string, attributes: ReadonlyMap<string, Value>): Target {
  const target: Record<string, unknown> = {}
  for (const [key, value] of attributes) {
    if (!isField(key))
      throw new HclError(`target ${JSON.stringify(name)}: there is no attribute ${JSON.stringify(key)}`)
    if (value === null) continue
    target[key] = decode(value, fields[key].kind, `target ${JSON.stringify(name)}, ${key}`)
  }
  return target
}

function decode(value: Value, kind: Kind, where: string): string | boolean | Texts | Pairs {
  try {
    switch (kind) {
      case 'text':
        return toText(value)
      case 'flag':
        return toBoolean(value)
      case 'texts':
        return textsOf(value)
      case 'pairs':
        return pairsOf(value)
    }
  } catch (error) {
    if (!(error instanceof HclError)) throw error
    throw new HclError(`${where}: ${error.message}`, { cause: error })
  }
}

export function textsOf(value: Value): string[] {
  if (!Array.isArray(value)) throw new HclError(`${show(value)} is ${typeName(value)}: a list is needed`)
  return value.filter((item) => item !== null).map((item) => (isMap(item) ? csvOf(item) : toText(item)))
}

/** `{type = "registry", ref = "x"}` says the same as `type=registry,ref=x`. */
function csvOf(item: ReadonlyMap<string, Value>): string {
  const quote = (field: string) => (/[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)
  return [...item]
    .filter(([, value]) => value !== null)
    .map(([key, value]) => quote(`${key}=${toText(value)}`))
    .join(',')
}

function pairsOf(value: Value): Pairs {
  if (!isMap(value)) throw new HclError(`${show(value)} is ${typeName(value)}: an object is needed`)
  return Object.fromEntries([...value].map(([key, each]) => [key, each === null ? null : toText(each)]))
}

/** `over` laid over `base`. */
export function mergeTargets(base: Target, over: Target): Target {
  const merged: Record<string, unknown> = { ...base }
  for (const field of fieldNames) {
    const value = over[field]
    if (value === undefined) continue
    const before = base[field]
    if (fields[field].merge === 'replace' || before === undefined) merged[field] = value
    else if (Array.isArray(value)) merged[field] = [...new Set([...(before as Texts), ...(value as Texts)])]
    else merged[field] = { ...(before as Pairs), ...(value as Pairs) }
  }
  return merged
}
