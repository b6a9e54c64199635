import { openDatagrams, type Datagrams } from './datagrams.ts'
import type { Receiver } from './receiver.ts'
import { recordsOf, type LogRecord } from './records.ts'

export const journalSocket = '/run/systemd/journal/socket'
/** syslog's levels. */
const informational = 6
const failure = 3

/** Sends lines to systemd's journal in its native protocol, with docker's fields. */
export class Journald implements Receiver {
  readonly #datagrams: Datagrams
  readonly #fields: string

  constructor(fields: Readonly<Record<string, string>>, socket = journalSocket) {
    this.#datagrams = openDatagrams(socket)
    this.#fields = Object.entries(fields)
      .map(([name, value]) => `${name}=${value.replaceAll('\n', ' ')}\n`)
      .join('')
  }

  async write(data: Buffer): Promise<number> {
    for (const record of recordsOf(data)) await this.#datagrams.send(this.#entry(record))
    return data.length
  }

  close(): void {
    this.#datagrams.close()
  }

  /** https://systemd.io/JOURNAL_NATIVE_PROTOCOL: a value of any bytes has its length before it. */
  #entry({ stream, time, text, whole }: LogRecord): Buffer {
    const head =
      `${this.#fields}PRIORITY=${stream === 1 ? informational : failure}\nSYSLOG_TIMESTAMP=${time}\n` +
      `${whole ? '' : 'CONTAINER_PARTIAL_MESSAGE=true\n'}MESSAGE\n`
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(text.length))
    return Buffer.concat([Buffer.from(head), length, text, Buffer.from('\n')])
  }
}
