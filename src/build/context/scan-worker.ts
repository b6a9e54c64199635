/** Worker thread: walks and hashes trees, so that the daemon's main thread never waits for a disk. */
import { parentPort } from 'node:worker_threads'
import { kindOf, type ErrorKind } from '../../lib/errors.ts'
import { encodeEntries } from './entry-text.ts'
import { HashIndex } from './hash-index.ts'
import { scanTree, type ScanRequest } from './scan.ts'

export interface ScanJob extends ScanRequest {
  readonly id: number
  /** Where hashes of this tree are kept between builds. */
  readonly indexFile?: string
  /** Becomes 1 when nobody wants the answer any more. */
  readonly cancel: SharedArrayBuffer
}

export interface ScanAnswer {
  readonly id: number
  /** Entries (see entry-text.ts) and sources as JSON; or the failure. */
  readonly entries?: string
  readonly sources?: string
  readonly error?: { kind: ErrorKind; message: string; code?: string }
}

const maxOpenIndexes = 8
const indexes = new Map<string, HashIndex>()

function indexFor(file: string | undefined): HashIndex {
  if (file === undefined) return new HashIndex()
  const index = indexes.get(file) ?? new HashIndex(file)
  indexes.delete(file)
  indexes.set(file, index)
  for (const key of indexes.keys()) if (indexes.size > maxOpenIndexes) indexes.delete(key)
  return index
}

parentPort?.on('message', (job: ScanJob) => {
  const cancel = new Int32Array(job.cancel)
  try {
    const index = indexFor(job.indexFile)
    index.begin()
    const { entries, sources } = scanTree(job, index, () => Atomics.load(cancel, 0) === 1)
    const answer: ScanAnswer = {
      id: job.id,
      entries: encodeEntries(entries),
      sources: JSON.stringify(sources),
    }
    parentPort?.postMessage(answer)
    index.save(() => new Set(entries.map((e) => e.path)))
  } catch (error) {
    const known = error instanceof Error ? error : new Error(String(error))
    const code = 'code' in known && typeof known.code === 'string' ? { code: known.code } : {}
    const answer: ScanAnswer = { id: job.id, error: { kind: kindOf(error), message: known.message, ...code } }
    parentPort?.postMessage(answer)
  }
})
