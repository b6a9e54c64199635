import type { BuildEvent, VertexEvent } from '../../wire/build.ts'
import type { Progress } from './progress.ts'

const { createHash } = process.getBuiltinModule('node:crypto')

/** `--progress rawjson`: BuildKit's status messages, one a line; a vertex that missed its cache has `miss` besides. */
export class RawJsonProgress implements Progress {
  readonly #write: (text: string) => void
  readonly #digests = new Map<string, string>()

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  handle(event: BuildEvent): void {
    const status = this.#status(event)
    if (status) this.#write(`${JSON.stringify(status)}\n`)
  }

  close(): void {}

  #status(event: BuildEvent): object | undefined {
    switch (event.type) {
      case 'vertex':
        return { vertexes: [this.#vertex(event)] }
      case 'log':
        return {
          logs: [
            {
              vertex: this.#digests.get(event.vertex),
              stream: event.stream,
              data: Buffer.from(event.data).toString('base64'),
              timestamp: time(event.time ?? Date.now()),
            },
          ],
        }
      case 'status': {
        const { started, completed } = event
        return {
          statuses: [
            {
              id: event.text,
              vertex: this.#digests.get(event.vertex),
              current: 0,
              timestamp: time(completed ?? started),
              started: time(started),
              ...(completed !== undefined && { completed: time(completed) }),
            },
          ],
        }
      }
      case 'warning': {
        const { rule, message, startLine, endLine } = event
        const short =
          rule === undefined
            ? message
            : `${rule}: ${message}${startLine === undefined ? '' : ` (line ${startLine})`}`
        return {
          warnings: [
            {
              level: 1,
              short: Buffer.from(short).toString('base64'),
              ...(event.description !== undefined && {
                detail: [Buffer.from(event.description).toString('base64')],
              }),
              ...(event.url !== undefined && { url: event.url }),
              ...(startLine !== undefined && {
                range: [{ start: { line: startLine }, end: { line: endLine ?? startLine } }],
              }),
            },
          ],
        }
      }
      // Told by exit code and standard error.
      case 'error':
      case 'result':
        return undefined
    }
  }

  #vertex(event: VertexEvent): object {
    const { name, started, completed, cached, error, inputs, miss } = event
    const digest =
      event.digest ?? `sha256:${createHash('sha256').update(`${event.id} ${name}`).digest('hex')}`
    this.#digests.set(event.id, digest)
    return {
      digest,
      ...(inputs && { inputs }),
      name,
      ...(started !== undefined && { started: time(started) }),
      ...(completed !== undefined && { completed: time(completed) }),
      ...(cached && { cached }),
      ...(error !== undefined && { error }),
      ...(miss && { miss }),
    }
  }
}

const time = (milliseconds: number): string => new Date(milliseconds).toISOString()
