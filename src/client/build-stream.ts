import { EngineError } from '../lib/errors.ts'
import { PieceDecoder } from '../wire/build-stream.ts'
import type { BuildEvent } from '../wire/build.ts'
import { decodeLines, type RequestInput, type Transport } from './transport.ts'

/** Takes the tar of one output. */
export interface OutputSink {
  write(data: Buffer): Promise<void>
  /** All of it has come. */
  end(): Promise<void>
}

/** A build whose outputs come to us: its events, while the sinks get their parts of the stream. */
export async function* buildStream(
  transport: Transport,
  input: RequestInput,
  sinks: ReadonlyMap<number, OutputSink>,
): AsyncGenerator<BuildEvent> {
  const { body } = await transport.request('POST', '/gantry/build', input)
  yield* decodeLines<BuildEvent>(eventBytes(body, sinks))
}

async function* eventBytes(
  body: AsyncIterable<Buffer>,
  sinks: ReadonlyMap<number, OutputSink>,
): AsyncGenerator<Buffer> {
  const decoder = new PieceDecoder()
  const open = new Set(sinks.keys())
  for await (const chunk of body)
    for (const { channel, data, end } of decoder.push(chunk)) {
      if (channel === 0) {
        yield data
        continue
      }
      const sink = sinks.get(channel - 1)
      if (!sink || !open.has(channel - 1))
        throw new EngineError('internal', `the daemon sent an output that nobody asked for (${channel})`)
      if (!end) await sink.write(data)
      else {
        open.delete(channel - 1)
        await sink.end()
      }
    }
}
