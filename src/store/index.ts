/**
 * Metadata records in one SQLite database. A change of several records is one transaction; the schema changes by
 * numbered migrations only. Records are decoded when read: a damaged one is named, never half-used.
 */
export { Store } from './store.ts'
export type { Table } from './table.ts'
export type { TableName } from './migrations.ts'
export { Leases, type Lease, type LeaseKey } from './leases.ts'
