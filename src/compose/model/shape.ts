/**
 * Shapes: how a part of the model is read from a tree of long forms and written again, as YAML or JSON, in the order and
 * with the omissions of docker compose's Go structs. The type of the model follows from its shape.
 */
import { ComposeError, printed, type Node, type Place, type Scalar } from '../node.ts'
import { Fields, Float, type Out } from '../out.ts'

export type Format = 'yaml' | 'json'

export interface Shape<T> {
  /** `path` is for faults. */
  read(node: Node, path: string): T
  /** The value of a key that is not there. */
  readonly absent: T
  /** Undefined when Go's `omitempty` leaves the key out. */
  write(value: T, format: Format): Out | undefined
}

export type Model<S> = S extends Shape<infer T> ? T : never

/** A value that a single scalar holds. */
export function scalarShape<T>(
  absent: T,
  read: (node: Scalar, path: string) => T,
  write: (value: T) => Out | undefined,
): Shape<T> {
  return {
    absent,
    write,
    read: (node, path) => {
      if (node.kind !== 'scalar') throw new ComposeError(node.at, `${path}: unexpected ${node.kind}`)
      return read(node, path)
    },
  }
}

/** Written whenever it is there, even if it is zero or empty. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return {
    absent: undefined,
    read: (node, path) =>
      node.kind === 'scalar' && node.value === null ? undefined : shape.read(node, path),
    write: (value, format) =>
      value === undefined ? undefined : (shape.write(value, format) ?? emptyOf(value)),
  }
}

/** What omitempty would have left out. */
function emptyOf(value: unknown): Out {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return value
  return Array.isArray(value) ? [] : new Fields([])
}

type Shapes = Readonly<Record<string, Shape<unknown>>>

export type RecordModel<S extends Shapes> = { readonly [K in keyof S]: Model<S[K]> } & {
  /** Keys that begin with `x-`. */
  readonly extensions: ReadonlyMap<string, Node>
  readonly at: Place
}

interface RecordOptions {
  /** Keys that JSON names otherwise. */
  readonly json?: Readonly<Record<string, string>>
  /** For JSON a struct that is not a pointer is never left out. */
  readonly embedded?: boolean
}

export function record<const S extends Shapes>(fields: S, o: RecordOptions = {}): Shape<RecordModel<S>> {
  const shapes: readonly (readonly [string, Shape<unknown>])[] = Object.entries(fields)
  // Each field's value comes from its own shape; the two builders below are where that is known.
  const built = (value: (key: string, shape: Shape<unknown>) => unknown, rest: object) =>
    ({
      ...Object.fromEntries(shapes.map(([key, shape]) => [key, value(key, shape)])),
      ...rest,
    }) as RecordModel<S>
  return {
    absent: built((_, shape) => shape.absent, {
      extensions: new Map(),
      at: { file: '', line: 0, column: 0 },
    }),
    read: (node, path) => {
      if (node.kind !== 'mapping') throw new ComposeError(node.at, `${path} must be a mapping`)
      const extensions = new Map<string, Node>()
      for (const [key, { value }] of node.entries) if (key.startsWith('x-')) extensions.set(key, value)
      return built(
        (key, shape) => {
          const entry = node.entries.get(key)
          return entry ? shape.read(entry.value, `${path}.${key}`) : shape.absent
        },
        { extensions, at: node.at },
      )
    },
    write: (value, format) => {
      const entries = shapes.flatMap(([key, shape]) => {
        const out = shape.write((value as Readonly<Record<string, unknown>>)[key], format) // as it was read
        const name = (format === 'json' && o.json?.[key]) || key
        return out === undefined ? [] : [[name, out] as const]
      })
      const all = format === 'yaml' ? [...entries, ...extensionsOut(value.extensions)] : entries
      return all.length === 0 && !(format === 'json' && o.embedded) ? undefined : new Fields(all)
    },
  }
}

function extensionsOut(extensions: ReadonlyMap<string, Node>): (readonly [string, Out])[] {
  return Array.from(extensions, ([key, node]) => [key, nodeOut(node)] as const).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )
}

/** A tree that nobody looks into. */
export function nodeOut(node: Node): Out {
  switch (node.kind) {
    case 'sequence':
      return node.items.map(nodeOut)
    case 'mapping':
      return new Map(Array.from(node.entries, ([key, { value }]) => [key, nodeOut(value)]))
    case 'scalar':
      return node.float === true ? new Float(Number(node.value)) : node.value
  }
}

export function list<T>(shape: Shape<T>): Shape<readonly T[]> {
  return {
    absent: [],
    read: (node, path) => itemsOf(node).map((item, index) => shape.read(item, `${path}.${index}`)),
    write: (values, format) =>
      values.length === 0 ? undefined : values.map((value) => shape.write(value, format) ?? emptyOf(value)),
  }
}

/** A single value is a list of one. */
export function itemsOf(node: Node): readonly Node[] {
  if (node.kind === 'sequence') return node.items
  return node.kind === 'scalar' && node.value === null ? [] : [node]
}

/** By name, sorted when written. */
export function dict<T>(shape: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return {
    absent: new Map(),
    read: (node, path) => {
      if (node.kind !== 'mapping') throw new ComposeError(node.at, `${path} must be a mapping`)
      return new Map(
        Array.from(node.entries, ([key, { value }]) => [key, shape.read(value, `${path}.${key}`)] as const),
      )
    },
    write: (values, format) =>
      values.size === 0
        ? undefined
        : new Map(Array.from(values, ([key, value]) => [key, shape.write(value, format) ?? null])),
  }
}

/** A mapping whose values may be left open: `networks: {default: }`. */
export function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return {
    absent: null,
    read: (node, path) => (node.kind === 'scalar' && node.value === null ? null : shape.read(node, path)),
    write: (value, format) => (value === null ? null : (shape.write(value, format) ?? new Fields([]))),
  }
}

export function textFrom(node: Scalar): string {
  return node.value === null ? '' : printed(node)
}
