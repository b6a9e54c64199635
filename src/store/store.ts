import { DatabaseSync } from 'node:sqlite'
import { EngineError } from '../lib/errors.ts'
import { migrations, type TableName } from './migrations.ts'
import { Table } from './table.ts'

/** The daemon's metadata: one SQLite database in WAL mode, one writer. */
export class Store {
  readonly #db: DatabaseSync
  #depth = 0

  private constructor(db: DatabaseSync) {
    this.#db = db
  }

  /** Opens or creates the database and brings its schema up to date. `:memory:` serves tests. */
  static open(path: string): Store {
    const db = new DatabaseSync(path)
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000')
    const store = new Store(db)
    store.#migrate(path)
    return store
  }

  /** A view of one table. `decode` turns foreign JSON into a record; it throws when the shape is wrong. */
  table<T>(name: TableName, decode: (value: unknown) => T): Table<T> {
    return new Table(this.#db, name, decode)
  }

  /** All changes made by `work` (synchronous) become visible together or not at all. Nests. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work()
    this.#db.exec('BEGIN IMMEDIATE')
    this.#depth++
    try {
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    } finally {
      this.#depth--
    }
  }

  close(): void {
    this.#db.close()
  }

  #migrate(path: string): void {
    const row = this.#db.prepare('PRAGMA user_version').get()
    const version = Number(row?.['user_version'] ?? 0)
    if (version > migrations.length)
      throw new EngineError(
        'unsupported',
        `${path} was written by a newer Gantry (schema ${version}, this one knows ${migrations.length}): upgrade Gantry`,
      )
    for (const [index, sql] of migrations.entries()) {
      if (index < version) continue
      this.transaction(() => this.#db.exec(`${sql}; PRAGMA user_version = ${index + 1}`))
    }
  }
}
