import { endsLine, isRecord, streamAt, textOffset, timestampAt } from './line.ts'

const newline = 0x0a

/** One record of conmon's log. */
export interface LogRecord {
  readonly stream: 1 | 2
  /** RFC 3339 in UTC, nine digits. */
  readonly time: string
  /** Without the newline that ends the record. */
  readonly text: Buffer
  /** False when the line goes on in the stream's next record. */
  readonly whole: boolean
  /** The offset after the record. */
  readonly end: number
}

/** The records of a block; what is none is left out. */
export function* recordsOf(data: Buffer): Generator<LogRecord> {
  for (let record = 0; record < data.length;) {
    const end = data.indexOf(newline, record)
    const head = record
    record = end + 1
    if (end < head + textOffset || !isRecord(data, head)) continue
    yield {
      stream: streamAt(data, head),
      time: timestampAt(data, head),
      text: data.subarray(head + textOffset, end),
      whole: endsLine(data, head),
      end: record,
    }
  }
}
