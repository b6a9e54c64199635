/**
 * Layers and what is written on top of them.
 *
 * A **layer** is an immutable directory in overlayfs form, keyed by the digest of its archive (diffID): equal layers
 * are stored once, whatever is below them. It appears by a rename when it is complete. A **workspace** is the writable
 * side of a container or build step: prepared, mounted over layers, unmounted, then removed or committed as a layer
 * (by a rename: nothing is copied).
 *
 * Guarantees: what archives and containers contain is hostile, so all work inside trees is relative to descriptors and
 * resolved by the kernel within them. A failed or cancelled call leaves nothing behind; what a killed daemon left goes
 * in `reconcile`. Layers that no record, lease or caller reaches are the caller's to remove. Everything may be called
 * concurrently. Long file work runs in worker threads.
 */
export { Snapshots, type FileInLayer, type Layer, type DiffId } from './snapshots.ts'
export type { LayerEntry } from './list-layer.ts'
export type { Change } from './inspect-tree.ts'
export type { Pump } from './pool.ts'
export type { CopyEntry, Linked, Owner, Packed } from './jobs.ts'
export { readTar } from './tar-reader.ts'
export { endOfTar } from './tar-writer.ts'
export { encodeHeader, padded, type TarEntry, type TarType } from './tar-header.ts'
