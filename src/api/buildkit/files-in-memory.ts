import type { SyncEntry } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { TreeReceiver } from './file-sync.ts'

/** Dockerfiles and ignore files. */
export class FilesInMemory implements TreeReceiver {
  readonly files = new Map<string, Buffer>()
  readonly #chunks = new Map<string, Buffer[]>()
  readonly #links = new Map<string, string>()
  readonly #limit: number
  #total = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Follows links between them. */
  text(path: string): string | undefined {
    let at = path
    for (let hops = 0; hops < 40; hops++) {
      const link = this.#links.get(at)
      if (link === undefined) return this.files.get(at)?.toString()
      at = resolved(at, link)
    }
    return undefined
  }

  add(entry: SyncEntry): boolean {
    if (entry.link !== '') {
      // A hard link's name is a path from the top.
      this.#links.set(entry.path, entry.kind === 'file' ? `/${entry.link}` : entry.link)
      return false
    }
    if (entry.kind === 'file') this.#chunks.set(entry.path, [])
    return entry.kind === 'file'
  }

  write(path: string, data: Uint8Array): void {
    this.#total += data.length
    if (this.#total > this.#limit)
      throw new EngineError('invalid', `${path} is larger than ${this.#limit} bytes`)
    this.#chunks.get(path)?.push(Buffer.from(data))
  }

  complete(path: string): void {
    this.files.set(path, Buffer.concat(this.#chunks.get(path) ?? []))
  }
}

function resolved(path: string, link: string): string {
  const parts = link.startsWith('/') ? [] : path.split('/').slice(0, -1)
  for (const part of link.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}
