import { posix } from 'node:path'
import { Readable } from 'node:stream'
import type { ContentStore } from '../content/index.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { readTar, type DiffId, type Snapshots } from '../snapshot/index.ts'
import type { Lease } from '../store/index.ts'

const maxEntries = 20_000

/** Where the content of archives goes. */
export interface ArchiveStore {
  readonly content: ContentStore
  readonly snapshots: Snapshots
  readonly lease: Lease
  /** Everything that the load makes, for its caller to take away again if no image wants it. */
  readonly touched: { layers: Set<DiffId>; blobs: Set<Digest> }
}

/** Every file of the archive goes to the content store; the archive's own names lead to digests from now on. */
export async function storeFiles(op: Op, tar: Readable, host: ArchiveStore): Promise<Map<string, Digest>> {
  const files = new Map<string, Digest>()
  const links = new Map<string, string>()
  let entries = 0
  for await (const { entry, body } of readTar(tar)) {
    const name = cleanName(entry.name)
    if (++entries > maxEntries)
      throw new EngineError(
        'invalid',
        `the archive has more than ${maxEntries} entries: it is no image archive`,
      )
    switch (entry.type) {
      case 'file': {
        const promised = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1]
        const expected: Digest | undefined = promised === undefined ? undefined : `sha256:${promised}`
        if (expected) host.lease.add(`blob:${expected}`)
        // What is here already need not be written again: its digest was checked then.
        if (expected && (host.snapshots.layer(expected) || (await host.content.has(expected)))) {
          files.set(name, expected)
          break
        }
        const written = await host.content.write(op, Readable.from(body, { objectMode: false }), {
          ...(expected && { expected }),
        })
        host.lease.add(`blob:${written.digest}`)
        host.touched.blobs.add(written.digest)
        files.set(name, written.digest)
        break
      }
      // `docker save` before 25 writes a layer once and links to it from its other places.
      case 'symlink':
        links.set(name, cleanName(posix.join(posix.dirname(name), entry.linkName), entry.name))
        break
      case 'hardlink':
        links.set(name, cleanName(entry.linkName, entry.name))
        break
      case 'directory':
        break
      default:
        throw new EngineError(
          'invalid',
          `refused archive entry ${JSON.stringify(entry.name)}: it is a ${entry.type} node`,
        )
    }
  }
  for (const [name, target] of links) {
    let file = target
    for (let hops = 0; hops < 10 && !files.has(file); hops++) file = links.get(file) ?? file
    const content = files.get(file)
    if (content && !files.has(name)) files.set(name, content)
  }
  return files
}

/** The name of an entry, or one that a manifest gives, without detours. Throws kind `invalid` when it leads out of the archive. */
export function cleanName(name: string, entry: string = name): string {
  const path = posix.normalize(name).replace(/\/$/, '')
  if (path.startsWith('/') || path === '..' || path.startsWith('../') || name.includes('\0'))
    throw new EngineError(
      'invalid',
      `refused archive entry ${JSON.stringify(entry)}: its name leads out of the archive`,
    )
  return path
}
