import type { Readable } from 'node:stream'
import type { Op } from '../lib/op.ts'
import type { ByteRange, ObjectEntry, ObjectStat, Storage } from './storage.ts'

/** A storage that is written only while it is known to be ours. */
export class OwnedStorage implements Storage {
  readonly #storage: Storage
  readonly #ownership: { assertOurs(): void }
  readonly #close: () => Promise<void>

  constructor(storage: Storage, ownership: { assertOurs(): void }, close: () => Promise<void>) {
    this.#storage = storage
    this.#ownership = ownership
    this.#close = close
  }

  stat(op: Op, key: string): Promise<ObjectStat | undefined> {
    return this.#storage.stat(op, key)
  }

  read(op: Op, key: string, range?: ByteRange): Promise<Readable> {
    return this.#storage.read(op, key, range)
  }

  async write(op: Op, key: string, data: Uint8Array): Promise<void> {
    this.#ownership.assertOurs()
    await this.#storage.write(op, key, data)
  }

  async place(op: Op, key: string, file: string, size: number): Promise<void> {
    this.#ownership.assertOurs()
    await this.#storage.place(op, key, file, size)
  }

  list(op: Op, prefix: string): AsyncIterable<ObjectEntry> {
    return this.#storage.list(op, prefix)
  }

  children(op: Op, prefix: string, after?: string): AsyncIterable<string> {
    return this.#storage.children(op, prefix, after)
  }

  async remove(op: Op, key: string): Promise<void> {
    this.#ownership.assertOurs()
    await this.#storage.remove(op, key)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}
