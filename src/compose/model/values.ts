/** The single values of the model. */
import { floatOf, booleanOf, integerOf } from '../casts.ts'
import { parseBinarySize, formatDuration, parseDuration } from '../../lib/units.ts'
import { messageOf } from '../../lib/errors.ts'
import { ComposeError, printed, type Node, type Scalar } from '../node.ts'
import { nearest32, type Out } from '../out.ts'
import { fromPairs } from '../forms/sequences.ts'
import { itemsOf, list, optional, scalarShape, textFrom, type Shape } from './shape.ts'
import { splitCommand } from './split-command.ts'

export const text: Shape<string> = scalarShape('', textFrom, (value) => (value === '' ? undefined : value))

export const flag: Shape<boolean> = scalarShape(
  false,
  (node, path) => (typeof node.value === 'string' ? booleanOf(node.value, node, path) : node.value === true),
  (value) => value || undefined,
)
export const optionalFlag: Shape<boolean | undefined> = optional(flag)

export const whole: Shape<number> = scalarShape(0, wholeFrom, (value) => value || undefined)
export const optionalWhole: Shape<number | undefined> = optional(whole)

function wholeFrom(node: Scalar, path: string): number {
  if (typeof node.value === 'string') return integerOf(node.value, node, path)
  return typeof node.value === 'number' ? Math.trunc(node.value) : 0
}

/** Go's float32. */
export const float: Shape<number> = scalarShape(
  0,
  (node, path) =>
    nearest32(typeof node.value === 'string' ? floatOf(node.value, node, path) : Number(node.value)),
  (value) => value || undefined,
)

/** Bytes, written as text; `64m` is read by powers of 1024. */
export const bytes: Shape<number> = scalarShape(
  0,
  (node, path) => {
    if (typeof node.value === 'number') return Math.trunc(node.value)
    if (/^-\d+$/.test(String(node.value))) return Number(node.value)
    return faultAt(node, path, () => parseBinarySize(String(node.value ?? '')))
  },
  (value) => (value === 0 ? undefined : String(value)),
)

/** Nanoseconds. */
const nanoseconds = (write: (value: number) => Out | undefined) =>
  scalarShape(0, (node, path) => faultAt(node, path, () => parseDuration(String(node.value))), write)
export const duration: Shape<number> = nanoseconds((value) =>
  value === 0 ? undefined : formatDuration(value),
)
export const optionalDuration: Shape<number | undefined> = optional(nanoseconds(formatDuration))

function faultAt<T>(node: Scalar, path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new ComposeError(node.at, `${path}: ${messageOf(error)}`, { cause: error })
  }
}

export const texts: Shape<readonly string[]> = list(text)

/** Rights of a file: `0440` as text or as an octal number of YAML. */
export const fileMode: Shape<number | undefined> = scalarShape<number | undefined>(
  undefined,
  (node, path) => {
    if (typeof node.value === 'number') return node.value
    const digits = /^0*([0-7]+)$/.exec(String(node.value))?.[1]
    if (digits === undefined)
      throw new ComposeError(node.at, `${path}: invalid mode ${JSON.stringify(node.value)}`)
    return Number.parseInt(digits, 8)
  },
  (value) => (value === undefined ? undefined : `0${value.toString(8)}`),
)

/** A command line: a text is split as a shell would, into words. Null: the image's own. */
export const command: Shape<readonly string[] | null> = {
  absent: null,
  read: (node, path) => {
    if (node.kind !== 'scalar') return itemsOf(node).map((item) => text.read(item, path))
    return node.value === null ? null : splitCommand(printed(node), node.at)
  },
  write: (value, format) => value ?? (format === 'json' ? null : undefined),
}

/** `healthcheck.test`: a text is for the shell. */
export const healthTest: Shape<readonly string[]> = {
  ...texts,
  read: (node, path) => (node.kind === 'scalar' ? ['CMD-SHELL', textFrom(node)] : texts.read(node, path)),
}

/** Names and texts; what has no value is empty. */
export const labels: Shape<ReadonlyMap<string, string>> = pairs<string>((value) => value ?? '')

/** Names and texts; null for what has no value anywhere. */
export const variables: Shape<ReadonlyMap<string, string | null>> = pairs<string | null>((value) => value)

function pairs<T extends string | null>(valueOf: (value: string | null) => T): Shape<ReadonlyMap<string, T>> {
  return {
    absent: new Map(),
    read: (node, path) => {
      const all = fromPairs(node)
      if (!all) throw new ComposeError(node.at, `${path} must be a mapping`)
      return new Map(
        Array.from(all.entries, ([key, { value }]) => {
          if (key === '') throw new ComposeError(value.at, `${path}: a value without a name`)
          if (value.kind !== 'scalar')
            throw new ComposeError(value.at, `${path}.${key} must be a single value`)
          return [key, valueOf(value.value === null ? null : printed(value))] as const
        }),
      )
    },
    write: (values) => (values.size === 0 ? undefined : values),
  }
}

/** Addresses by host name, written as a list. */
export const hosts: Shape<ReadonlyMap<string, readonly string[]>> = {
  absent: new Map(),
  read: (node, path) => {
    const all = new Map<string, readonly string[]>()
    const add = (host: string, ip: string) =>
      all.set(host, [...(all.get(host) ?? []), ip.replace(/^\[(.*)\]$/, '$1')])
    if (node.kind === 'mapping')
      for (const [host, { value }] of node.entries)
        for (const item of itemsOf(value)) add(host, text.read(item, path))
    else for (const item of itemsOf(node)) add(...hostAndIp(item, path))
    return all
  },
  write: (values) =>
    values.size === 0
      ? undefined
      : Array.from(values)
          .flatMap(([host, ips]) => ips.map((ip) => `${host}=${ip}`))
          .toSorted((a, b) => (a < b ? -1 : 1)),
}

function hostAndIp(node: Node, path: string): [string, string] {
  const line = text.read(node, path)
  const match = /^([^=]+)=(.+)$/.exec(line) ?? /^([^:]+):(.+)$/.exec(line)
  if (!match) throw new ComposeError(node.at, `${path}: invalid additional host, missing IP: ${line}`)
  return [match[1] ?? '', match[2] ?? '']
}
