import { randomUUID } from 'node:crypto'
import type { Op } from '../lib/op.ts'
import type { S3Settings } from './s3-settings.ts'
import type { Storage } from './storage.ts'

/**
 * A registry's storage in S3, for this server alone: `owner` names it, and a server that starts again with the same one need not wait
 * for what a killed one had claimed. What it takes to speak to S3 is loaded here, and only where S3 is configured. Throws kind
 * `conflict` when another server has the storage.
 */
export async function openS3Storage(
  op: Op,
  settings: S3Settings,
  o: { owner?: string } = {},
): Promise<Storage> {
  const [{ S3Storage }, { S3Client }, { S3Ownership }, { OwnedStorage }] = await Promise.all([
    import('./s3-storage.ts'),
    import('./s3-client.ts'),
    import('./s3-ownership.ts'),
    import('./owned-storage.ts'),
  ])
  await using undo = new AsyncDisposableStack()
  const storage = undo.use(await S3Storage.open(op, settings))
  const client = undo.adopt(new S3Client(settings), (one) => one.close())
  const ownership = undo.use(await S3Ownership.claim(op, client, { id: o.owner ?? randomUUID() }))
  const held = undo.move()
  return new OwnedStorage(storage, ownership, () => held.disposeAsync())
}
