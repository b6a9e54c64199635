import { randomUUID } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  credentialsOfEnvironment,
  credentialsOfFile,
  FilesStorage,
  openS3Storage,
  parseS3Location,
  type Storage,
} from '../distribution/index.ts'
import { lockFile } from '../host/flock.ts'
import { writeFileAtomic } from '../lib/atomic-file.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { RegistryConfig } from './registry-config.ts'

/** Opens what the configuration says, for this process alone: disposing gives it back. */
export async function openRegistryStorage(
  op: Op,
  { storage, state }: RegistryConfig,
): Promise<{ storage: Storage } & AsyncDisposable> {
  if (storage.kind === 'files') {
    const files = await FilesStorage.open(storage.root)
    return { storage: files, [Symbol.asyncDispose]: () => files[Symbol.asyncDispose]() }
  }
  const credentials = storage.credentials
    ? credentialsOfFile(storage.credentials.path, storage.credentials.profile)
    : credentialsOfEnvironment(process.env)
  const settings = parseS3Location(storage.location, { ...storage, credentials })
  await mkdir(state, { recursive: true, mode: 0o700 })
  // The lock is for the directory; of two servers with one bucket, one loses when it claims that.
  const locked = lockFile(join(state, 'lock'))
  if ('heldBy' in locked)
    throw new EngineError(
      'conflict',
      `Cannot open the registry's state ${state}: process ${locked.heldBy} uses it`,
    )
  try {
    const s3 = await openS3Storage(op, settings, { owner: await ownerOf(state) })
    return {
      storage: s3,
      async [Symbol.asyncDispose]() {
        await s3[Symbol.asyncDispose]()
        locked.lock[Symbol.dispose]()
      },
    }
  } catch (error) {
    locked.lock[Symbol.dispose]()
    throw error
  }
}

/** What the server is called in the bucket: the same after a restart, so that it need not wait for what it had claimed itself. */
async function ownerOf(state: string): Promise<string> {
  const path = join(state, 'server-id')
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    const id = randomUUID()
    await writeFileAtomic(path, `${id}\n`, { mode: 0o600 })
    return id
  }
}
