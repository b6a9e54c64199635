/**
 * conmon's k8s-file format: `TIME STREAM TAG TEXT\n`. TIME is RFC 3339 with nine digits and an offset (35 bytes),
 * STREAM `stdout` or `stderr`, TAG `F` when the line ends here and `P` when the next record of the stream goes on.
 */
const timeLength = 35
const streamOffset = timeLength + 1
const tagOffset = streamOffset + 7
/** Where the text of a record starts, from the record's first byte. */
export const textOffset = tagOffset + 2

const space = 0x20
const fullTag = 0x46
const partialTag = 0x50

/** Whether what starts here looks like a record: a full disk or a power cut can leave half a one. */
export function isRecord(data: Buffer, record: number): boolean {
  const tag = data[record + tagOffset]
  return (
    data[record + timeLength] === space &&
    data[record + tagOffset - 1] === space &&
    data[record + textOffset - 1] === space &&
    (tag === fullTag || tag === partialTag)
  )
}

/** 1 stdout, 2 stderr. */
export function streamAt(data: Buffer, record: number): 1 | 2 {
  // The fourth letter tells: stdOut, stdErr.
  return data[record + streamOffset + 3] === 0x6f ? 1 : 2
}

/** False when the line goes on in the stream's next record. */
export function endsLine(data: Buffer, record: number): boolean {
  return data[record + tagOffset] === fullTag
}

/** Nanoseconds since 1970. */
export function timeAt(data: Buffer, record: number): bigint {
  const text = data.toString('latin1', record, record + timeLength)
  const seconds = Date.parse(`${text.slice(0, 19)}${text.slice(29)}`) / 1000
  const fraction = text.slice(20, 29)
  // Not a time: as old as can be, so that whoever seeks goes on to what follows.
  if (Number.isNaN(seconds) || !/^\d{9}$/.test(fraction)) return 0n
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction)
}

/** As docker prints it with `--timestamps`: nine digits, UTC. */
export function timestampAt(data: Buffer, record: number): string {
  const text = data.toString('latin1', record, record + timeLength)
  if (text.endsWith('+00:00')) return `${text.slice(0, 29)}Z`
  const time = Date.parse(`${text.slice(0, 19)}${text.slice(29)}`)
  if (Number.isNaN(time)) return text
  return `${new Date(time).toISOString().slice(0, 19)}${text.slice(19, 29)}Z`
}
