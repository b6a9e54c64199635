import { readFile, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { ByteRange, ObjectEntry, ObjectStat, Storage } from './storage.ts'

/** Objects in memory, for tests that want many changes at once: every call takes some turns of the event loop, at random. */
export class MemoryStorage implements Storage {
  readonly #objects = new Map<string, { data: Buffer; modified: Date }>()
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  async stat(_op: Op, key: string): Promise<ObjectStat | undefined> {
    await this.#some()
    const found = this.#objects.get(key)
    return found && { size: found.data.length, modified: found.modified }
  }

  async read(_op: Op, key: string, range?: ByteRange): Promise<Readable> {
    await this.#some()
    const found = this.#objects.get(key)
    if (!found) throw new EngineError('not-found', `no object ${key}`)
    return Readable.from([range ? found.data.subarray(range.start, range.end + 1) : found.data])
  }

  async write(_op: Op, key: string, data: Uint8Array): Promise<void> {
    await this.#some()
    this.#objects.set(key, { data: Buffer.from(data), modified: new Date() })
    await this.#some()
  }

  async place(op: Op, key: string, file: string): Promise<void> {
    if (!this.#objects.has(key)) await this.write(op, key, await readFile(file))
    await rm(file)
  }

  async *list(_op: Op, prefix: string): AsyncIterable<ObjectEntry> {
    const below = prefix === '' ? '' : `${prefix}/`
    for (const key of [...this.#objects.keys()].filter((one) => one.startsWith(below)).sort()) {
      await this.#some()
      const found = this.#objects.get(key)
      if (found) yield { key, size: found.data.length, modified: found.modified }
    }
  }

  async *children(_op: Op, prefix: string, after?: string): AsyncIterable<string> {
    await this.#some()
    const below = prefix === '' ? '' : `${prefix}/`
    const names = new Set<string>()
    for (const key of this.#objects.keys())
      if (key.startsWith(below)) names.add(/^[^/]*\/?/.exec(key.slice(below.length))?.[0] ?? '')
    for (const name of [...names].sort()) {
      const slash = name.endsWith('/') ? '/' : ''
      if (after === undefined || name > after + slash) yield name.replace('/', '')
    }
  }

  async remove(_op: Op, key: string): Promise<void> {
    await this.#some()
    this.#objects.delete(key)
    await this.#some()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve()
  }

  async #some(): Promise<void> {
    for (let turns = Math.floor(this.#random() * 4); turns > 0; turns--) await turn()
  }
}
