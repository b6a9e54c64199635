import type { Readable } from 'node:stream'
import type { ImageDiff, ImageExplanation, ImageFile } from '../wire/image-files.ts'
import { decodeLines, type Transport } from './transport.ts'

const at = (name: string, action: string) => `/gantry/images/${encodeURIComponent(name)}/${action}`

/** `/gantry/images`: what is in images. */
export class ImageFiles {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  explain(name: string): Promise<ImageExplanation> {
    return this.#t.json('GET', at(name, 'explain'))
  }

  diff(from: string, to: string): Promise<ImageDiff> {
    return this.#t.json('GET', at(from, 'diff'), { query: { to } })
  }

  async *list(name: string, o: { path?: string; depth?: number } = {}): AsyncGenerator<ImageFile> {
    const query = { path: o.path, depth: o.depth === undefined ? undefined : String(o.depth) }
    const { body } = await this.#t.request('GET', at(name, 'files'), { query })
    yield* decodeLines<ImageFile>(body)
  }

  async read(name: string, path: string): Promise<Readable> {
    return (await this.#t.request('GET', at(name, 'file'), { query: { path } })).body
  }
}
