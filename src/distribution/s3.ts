import type { Op } from '../lib/op.ts'
import type { S3Settings } from './s3-settings.ts'
import type { Storage } from './storage.ts'

/** A registry's storage in S3. What it takes to speak to S3 is loaded here, and only where S3 is configured. */
export async function openS3Storage(op: Op, settings: S3Settings): Promise<Storage> {
  const { S3Storage } = await import('./s3-storage.ts')
  return await S3Storage.open(op, settings)
}
