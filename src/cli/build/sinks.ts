import type { OutputSink } from '../../client/index.ts'
import { directorySink } from './directory-sink.ts'
import { fileSink, stdoutSink, type ClientSink } from './file-sink.ts'
import type { ClientOutput } from './outputs.ts'

/** Where the outputs of one build go, opened when the first byte comes. Disposed of, what is not complete goes. */
export class Sinks implements Disposable {
  readonly byIndex = new Map<number, OutputSink>()
  readonly #open: ClientSink[] = []

  constructor(outputs: readonly ClientOutput[], skipped: (name: string) => void) {
    for (const [index, { dest }] of outputs.entries()) {
      if (!dest) continue
      let sink: Promise<ClientSink> | undefined
      const opened = () => {
        sink ??= openSink(dest, skipped).then((made) => {
          this.#open.push(made)
          return made
        })
        return sink
      }
      this.byIndex.set(index, {
        write: async (data) => (await opened()).write(data),
        end: async () => (await opened()).end(),
      })
    }
    process.once('SIGINT', this.#onInterrupt)
    process.once('SIGTERM', this.#onTerminate)
    // Another target of bake may end us.
    process.once('exit', this.#close)
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#onInterrupt)
    process.off('SIGTERM', this.#onTerminate)
    process.off('exit', this.#close)
    for (const sink of this.#open) sink[Symbol.dispose]()
  }

  readonly #close = () => this[Symbol.dispose]()
  readonly #onInterrupt = () => this.#leave(130)
  readonly #onTerminate = () => this.#leave(143)

  #leave(code: number): void {
    this[Symbol.dispose]()
    process.exit(code)
  }
}

async function openSink(
  dest: NonNullable<ClientOutput['dest']>,
  skipped: (name: string) => void,
): Promise<ClientSink> {
  if (dest.kind === 'directory') return directorySink(dest.path, skipped)
  return dest.path === '-' ? stdoutSink() : await fileSink(dest.path)
}
