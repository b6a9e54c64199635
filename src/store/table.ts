import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { EngineError } from '../lib/errors.ts'
import type { TableName } from './migrations.ts'

/** JSON records of one kind by key. Every call is synchronous and durable when its transaction commits. */
export class Table<T> {
  readonly #name: TableName
  readonly #decode: (value: unknown) => T
  readonly #get: StatementSync
  readonly #all: StatementSync
  readonly #put: StatementSync
  readonly #delete: StatementSync

  constructor(db: DatabaseSync, name: TableName, decode: (value: unknown) => T) {
    this.#name = name
    this.#decode = decode
    this.#get = db.prepare(`SELECT record FROM ${name} WHERE key = ?`)
    this.#all = db.prepare(`SELECT key, record FROM ${name} ORDER BY key`)
    this.#put = db.prepare(
      `INSERT INTO ${name} (key, record) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET record = excluded.record`,
    )
    this.#delete = db.prepare(`DELETE FROM ${name} WHERE key = ?`)
  }

  get(key: string): T | undefined {
    const row = this.#get.get(key)
    return row && this.#parse(key, row['record'])
  }

  all(): { key: string; record: T }[] {
    return this.#all.all().map((row) => {
      const key = String(row['key'])
      return { key, record: this.#parse(key, row['record']) }
    })
  }

  put(key: string, record: T): void {
    this.#put.run(key, JSON.stringify(record))
  }

  /** False when there was no such record. */
  delete(key: string): boolean {
    return this.#delete.run(key).changes > 0
  }

  #parse(key: string, text: unknown): T {
    try {
      return this.#decode(JSON.parse(String(text)))
    } catch (cause) {
      throw new EngineError('internal', `Record ${key} in table ${this.#name} is damaged`, { cause })
    }
  }
}
