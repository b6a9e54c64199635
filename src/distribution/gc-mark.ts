import { messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { isDigest, type Digest } from './digest.ts'
import { blobKey, digestOfKey, manifestsPrefix } from './layout.ts'
import { readObject } from './records.ts'
import type { ObjectEntry, Storage } from './storage.ts'

/** Manifests that are read at the same time: in S3 each one is a round trip. */
const readsAtOnce = 16

/** What one repository needs. */
export interface Marks {
  readonly manifests: ReadonlySet<Digest>
  /** All that they refer to, and themselves. */
  readonly reachable: ReadonlySet<Digest>
  /** Records without the manifest's bytes: of a push that is under way, or was killed. */
  readonly incomplete: readonly ObjectEntry[]
  /** A manifest cannot be read: what it needs is not known, so nothing of the repository may be taken for garbage. */
  readonly damaged: boolean
}

/** Every manifest of the repository keeps what it refers to, with a tag or without. */
export async function markRepository(op: Op, storage: Storage, name: string): Promise<Marks> {
  const manifests = new Set<Digest>()
  const reachable = new Set<Digest>()
  const incomplete: ObjectEntry[] = []
  let damaged = false
  const read = async (digest: Digest, record: ObjectEntry) => {
    try {
      const found = await referencesOf(op, storage, digest)
      if (!found) incomplete.push(record)
      for (const one of found ?? []) reachable.add(one)
    } catch (error) {
      op.signal.throwIfAborted()
      damaged = true
      op.log.error('a manifest cannot be read: the collection leaves its repository as it is', {
        repository: name,
        manifest: digest,
        error: messageOf(error),
      })
    }
  }
  const reading = new Set<Promise<void>>()
  for await (const record of storage.list(op, manifestsPrefix(name))) {
    const digest = digestOfKey(record.key)
    if (!digest) continue
    manifests.add(digest)
    reachable.add(digest)
    const one: Promise<void> = read(digest, record).finally(() => reading.delete(one))
    reading.add(one)
    if (reading.size >= readsAtOnce) await Promise.race(reading)
  }
  await Promise.all(reading)
  return { manifests, reachable, incomplete, damaged }
}

/** Blobs and manifests that a manifest needs; its subject is none of them. Undefined when its bytes are not there. */
export async function referencesOf(op: Op, storage: Storage, digest: Digest): Promise<Digest[] | undefined> {
  const data = await readObject(op, storage, blobKey(digest))
  if (!data) return undefined
  const value: unknown = JSON.parse(data.toString('utf8'))
  // Of anything but an object, these fields are undefined.
  const { config, layers, manifests, blobs } = (value ?? {}) as Readonly<Record<string, unknown>>
  return [config, layers, manifests, blobs].flat().flatMap((one) => digestIn(one) ?? [])
}

/** Whatever kind of manifest it is: what looks like a descriptor counts as one, and what does not, whoever pushed it, as nothing. */
function digestIn(value: unknown): Digest | undefined {
  if (typeof value !== 'object' || value === null || !('digest' in value)) return undefined
  const { digest } = value
  return typeof digest === 'string' && isDigest(digest) ? digest : undefined
}
