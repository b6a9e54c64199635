import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

/**
 * Protocol buffers messages described in TypeScript: `message({ name: string(1), … })` is both the schema and the type.
 * Only what our messages need: proto3 scalars, messages, repeated fields and maps. Fields that we do not know are skipped.
 */
export interface Message<Out, In = Out> {
  decode(bytes: Uint8Array): Out
  encode(value: In): Uint8Array
  /** For fields that hold this message. */
  readonly read: (reader: BinaryReader, length: number) => Out
  readonly write: (writer: BinaryWriter, value: In) => void
}

/** One numbered field. `In` is what may be given to encode, `Out` what decode gives. */
export interface Field<Out, In = Out> {
  readonly no: number
  /** When the field is absent on the wire. */
  initial(): Out
  read(reader: BinaryReader, wire: WireType, before: Out): Out
  write(writer: BinaryWriter, value: In): void
}

type Fields = Readonly<Record<string, Field<unknown, never>>>
type OutOf<F> = F extends Field<infer Out, never> ? Out : never
type InOf<F> = F extends { write(writer: BinaryWriter, value: infer In): void } ? In : never
type Decoded<F extends Fields> = { -readonly [K in keyof F]: OutOf<F[K]> }
type Encodable<F extends Fields> = { readonly [K in keyof F]?: InOf<F[K]> | undefined }

/** What decode gives for a message. */
export type Of<M> = M extends Message<infer Out, never> ? Out : never

export function message<F extends Fields>(fields: F): Message<Decoded<F>, Encodable<F>> {
  const entries = Object.entries(fields)
  const byNumber = new Map(entries.map(([name, field]) => [field.no, { name, field }]))
  const read = (reader: BinaryReader, length: number) => {
    const end = reader.pos + length
    const values: Record<string, unknown> = {}
    for (const [name, field] of entries) values[name] = field.initial()
    while (reader.pos < end) {
      const [no, wire] = reader.tag()
      const known = byNumber.get(no)
      if (known) values[known.name] = known.field.read(reader, wire, values[known.name])
      else reader.skip(wire, no)
    }
    // Each property was made by the field of its name.
    return values as Decoded<F>
  }
  const write = (writer: BinaryWriter, value: Encodable<F>) => {
    for (const [name, field] of entries) {
      const given = value[name]
      // As the type says: what stands under a name is what its field takes.
      if (given !== undefined) field.write(writer, given as never)
    }
  }
  return {
    read,
    write,
    decode: (bytes) => read(new BinaryReader(bytes), bytes.length),
    encode: (value) => {
      const writer = new BinaryWriter()
      write(writer, value)
      return writer.finish()
    },
  }
}

interface Scalar<T> {
  readonly wire: WireType
  readonly zero: T
  read(reader: BinaryReader): T
  write(writer: BinaryWriter, value: T): unknown
}

const scalars = {
  string: {
    wire: WireType.LengthDelimited,
    zero: '',
    read: (r: BinaryReader) => r.string(),
    write: (w: BinaryWriter, v: string) => w.string(v),
  } satisfies Scalar<string>,
  bytes: {
    wire: WireType.LengthDelimited,
    zero: new Uint8Array(),
    read: (r: BinaryReader): Uint8Array => r.bytes(),
    write: (w: BinaryWriter, v: Uint8Array) => w.bytes(v),
  } satisfies Scalar<Uint8Array>,
  bool: {
    wire: WireType.Varint,
    zero: false,
    read: (r: BinaryReader) => r.bool(),
    write: (w: BinaryWriter, v: boolean) => w.bool(v),
  } satisfies Scalar<boolean>,
  int32: {
    wire: WireType.Varint,
    zero: 0,
    read: (r: BinaryReader) => r.int32(),
    write: (w: BinaryWriter, v: number) => w.int32(v),
  } satisfies Scalar<number>,
  uint32: {
    wire: WireType.Varint,
    zero: 0,
    read: (r: BinaryReader) => r.uint32(),
    write: (w: BinaryWriter, v: number) => w.uint32(v),
  } satisfies Scalar<number>,
  int64: {
    wire: WireType.Varint,
    zero: 0n,
    read: (r: BinaryReader) => BigInt(r.int64()),
    write: (w: BinaryWriter, v: bigint) => w.int64(v),
  } satisfies Scalar<bigint>,
}

function scalar<T>(no: number, type: Scalar<T>): Field<T> {
  return {
    no,
    initial: () => type.zero,
    read: (reader, wire, before) => {
      if (wire !== type.wire) {
        reader.skip(wire, no)
        return before
      }
      return type.read(reader)
    },
    write: (writer, value) => {
      if (value !== type.zero) type.write(writer.tag(no, type.wire), value)
    },
  }
}

export const string = (no: number) => scalar(no, scalars.string)
export const bytes = (no: number) => scalar(no, scalars.bytes)
export const bool = (no: number) => scalar(no, scalars.bool)
export const int32 = (no: number) => scalar(no, scalars.int32)
export const uint32 = (no: number) => scalar(no, scalars.uint32)
export const int64 = (no: number) => scalar(no, scalars.int64)

/** A message; undefined when absent. */
export function nested<Out, In>(no: number, type: Message<Out, In>): Field<Out | undefined, In | undefined> {
  return {
    no,
    initial: () => undefined,
    read: (reader) => type.read(reader, reader.uint32()),
    write: (writer, value) => {
      if (value === undefined) return
      writer.tag(no, WireType.LengthDelimited).fork()
      type.write(writer, value)
      writer.join()
    },
  }
}

/** Repeated messages. */
export function messages<Out, In>(no: number, type: Message<Out, In>): Field<Out[], readonly In[]> {
  const one = nested(no, type)
  return {
    no,
    initial: () => [],
    read: (reader, _wire, before) => {
      before.push(type.read(reader, reader.uint32()))
      return before
    },
    write: (writer, values) => {
      for (const value of values) one.write(writer, value)
    },
  }
}

function repeated<T>(no: number, type: Scalar<T>): Field<T[], readonly T[]> {
  return {
    no,
    initial: () => [],
    read: (reader, _wire, before) => {
      before.push(type.read(reader))
      return before
    },
    write: (writer, values) => {
      for (const value of values) type.write(writer.tag(no, type.wire), value)
    },
  }
}

export const strings = (no: number) => repeated(no, scalars.string)
export const byteStrings = (no: number) => repeated(no, scalars.bytes)

/** `map<string, V>`. The object has no prototype: keys come from outside. */
function mapOf<Out, In>(
  no: number,
  entry: Message<{ key: string; value: Out }, { key: string; value: In }>,
): Field<Record<string, Out>, Readonly<Record<string, In>>> {
  return {
    no,
    // Object.create gives any: an object without properties is an empty record.
    initial: () => Object.create(null) as Record<string, Out>,
    read: (reader, _wire, before) => {
      const { key, value } = entry.read(reader, reader.uint32())
      before[key] = value
      return before
    },
    write: (writer, values) => {
      for (const [key, value] of Object.entries(values)) {
        writer.tag(no, WireType.LengthDelimited).fork()
        entry.write(writer, { key, value })
        writer.join()
      }
    },
  }
}

export const stringMap = (no: number) => mapOf(no, message({ key: string(1), value: string(2) }))
export const bytesMap = (no: number) => mapOf(no, message({ key: string(1), value: bytes(2) }))
export function messageMap<Out, In>(no: number, type: Message<Out, In>) {
  return mapOf(no, message({ key: string(1), value: nested(2, type) }))
}

/** google.protobuf.Timestamp, as Unix milliseconds. */
const timestampMessage = message({ seconds: int64(1), nanos: int32(2) })
export function timestamp(no: number): Field<number | undefined> {
  const field = nested(no, timestampMessage)
  const fromWire = (value: Of<typeof timestampMessage> | undefined) =>
    value && Number(value.seconds) * 1000 + value.nanos / 1e6
  return {
    no,
    initial: () => undefined,
    read: (reader, wire) => fromWire(field.read(reader, wire, undefined)),
    write: (writer, value) => {
      if (value === undefined) return
      const seconds = Math.floor(value / 1000)
      field.write(writer, { seconds: BigInt(seconds), nanos: Math.round((value - seconds * 1000) * 1e6) })
    },
  }
}
