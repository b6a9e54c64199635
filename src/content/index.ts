/**
 * Immutable blobs named by digest, one file each. A write becomes a blob by a rename after its digest is verified and
 * its bytes are on the disk: before that nobody sees it, after that nothing changes it.
 * Safe for concurrent use: writing the same content twice succeeds twice. Blobs that no record and no lease reaches
 * are collected by their user (`image`); what a killed daemon left half-written goes at the next start.
 */
export { ContentStore, type Blob, type Ingest } from './store.ts'
