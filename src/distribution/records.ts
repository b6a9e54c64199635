import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { isDigest, type Digest } from './digest.ts'
import type { Storage } from './storage.ts'

const isObject = (value: unknown) => typeof value === 'object' && value !== null
const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))

/** What a repository knows of a manifest, beside its bytes. */
export const manifestRecord = z.object({
  mediaType: z.string(),
  size: z.number(),
  subject: digest.optional(),
  artifactType: z.string().optional(),
  /** ISO 8601. */
  pushedAt: z.string(),
})
export type ManifestRecord = z.infer<typeof manifestRecord>

export const tagRecord = z.object({
  digest,
  /** ISO 8601. */
  updatedAt: z.string(),
})
export type TagRecord = z.infer<typeof tagRecord>

/** As lists of referrers have it. */
export const referrerRecord = z.object({
  mediaType: z.string(),
  digest,
  size: z.number(),
  artifactType: z.string().optional(),
  // They were looked at when they came, and there may be many.
  annotations: z.custom<Readonly<Record<string, string>>>(isObject).optional(),
})
export type ReferrerRecord = z.infer<typeof referrerRecord>

/** A small object whole; undefined when there is none. */
export async function readObject(op: Op, storage: Storage, key: string): Promise<Buffer | undefined> {
  try {
    return await buffer(await storage.read(op, key))
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'not-found') return undefined
    throw error
  }
}

/** Undefined when there is none; throws kind `internal` when it is damaged. */
export async function readRecord<T>(
  op: Op,
  storage: Storage,
  o: { key: string; schema: z.ZodType<T> },
): Promise<T | undefined> {
  const data = await readObject(op, storage, o.key)
  if (!data) return undefined
  try {
    return o.schema.parse(JSON.parse(data.toString('utf8')))
  } catch (cause) {
    throw new EngineError('internal', `The registry's record ${o.key} is damaged`, { cause })
  }
}

export async function writeRecord(
  op: Op,
  storage: Storage,
  o: { key: string; value: object },
): Promise<void> {
  await storage.write(op, o.key, Buffer.from(JSON.stringify(o.value)))
}
