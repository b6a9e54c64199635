import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFauxqs } from 'fauxqs'
import { parseS3Location, type S3Settings } from './s3-settings.ts'

type Listing = (this: unknown, ...args: unknown[]) => unknown

/** fauxqs sorts by the rules of a language, S3 by the bytes of the keys. Listing is synchronous: nobody else sees the change. */
async function sortByBytes(): Promise<void> {
  const url = new URL('s3/s3Store.js', import.meta.resolve('fauxqs'))
  const { S3Store } = (await import(url.href)) as { S3Store: { prototype: { listObjects: Listing } } }
  const original = S3Store.prototype.listObjects
  S3Store.prototype.listObjects = function (...args) {
    const byLanguage = Object.getOwnPropertyDescriptor(String.prototype, 'localeCompare')
    if (!byLanguage) throw new Error('no localeCompare')
    const value = function (this: string, other: string) {
      return this < other ? -1 : Number(this > other)
    }
    Object.defineProperty(String.prototype, 'localeCompare', { ...byLanguage, value })
    try {
      return original.apply(this, args)
    } finally {
      Object.defineProperty(String.prototype, 'localeCompare', byLanguage)
    }
  }
}
let patched: Promise<void> | undefined

/** A third party's S3 server with one bucket, in the process of the test; what it stores is in a file. */
export async function startFauxS3(): Promise<{ settings: S3Settings; port: number } & AsyncDisposable> {
  await (patched ??= sortByBytes())
  const directory = mkdtempSync(join(tmpdir(), 'gantry-fauxqs-'))
  const server = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false, s3StorageDir: directory })
  server.createBucket('images')
  return {
    port: server.port,
    settings: {
      ...parseS3Location('s3://images/registry', {
        endpoint: `http://127.0.0.1:${server.port}`,
        credentials: () => Promise.resolve({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }),
      }),
      // S3's least; the server takes no part above 11 MiB.
      partSize: 5 << 20,
      pauseMs: 10,
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
