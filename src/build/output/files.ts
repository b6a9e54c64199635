import { Readable } from 'node:stream'
import { formatPlatform } from '../../image/index.ts'
import { attempt } from '../../lib/attempt.ts'
import type { Digest } from '../../lib/digest.ts'
import { newId } from '../../lib/id.ts'
import { detached, type Op } from '../../lib/op.ts'
import { endOfTar, type Snapshots } from '../../snapshot/index.ts'
import type { Lease } from '../../store/index.ts'
import type { Platform } from '../../wire/registry.ts'
import type { Io } from '../solver/vertex.ts'
import type { FilesOutput } from './outputs.ts'

interface FilesOf {
  readonly layers: readonly Digest[]
  readonly platform: Platform
}

/** Sends all files of the images' roots; each image's in a folder of its own where that is asked for. */
export async function sendFiles(
  op: Op,
  output: FilesOutput,
  o: { built: readonly FilesOf[]; snapshots: Snapshots; lease: Lease; io: Io },
): Promise<void> {
  await using undo = new AsyncDisposableStack()
  const { snapshots } = o
  const sent = o.io.status(output.format === 'local' ? 'copying files' : 'sending tarball')
  const roots: { id: string; into: string }[] = []
  for (const one of o.built)
    // BuildKit's name for the folder.
    roots.push({
      id: await prepare(op, one, { ...o, undo }),
      into: formatPlatform(one.platform).replaceAll('/', '_'),
    })
  const [first] = roots
  if (first && !output.split) await output.send(op, snapshots.exportTar(op, first.id))
  else {
    const parts = (async function* () {
      for (const { id, into } of roots) yield* snapshots.exportTar(op, id, { into })
      yield endOfTar()
    })()
    await output.send(op, Readable.from(parts, { objectMode: false }))
  }
  sent()
}

/** A workspace that is the image's root; it goes with `undo`. */
async function prepare(
  op: Op,
  { layers }: FilesOf,
  o: { snapshots: Snapshots; lease: Lease; undo: AsyncDisposableStack },
): Promise<string> {
  const { snapshots } = o
  const id = `b${newId().slice(0, 12)}`
  o.undo.defer(() =>
    attempt(op, 'remove the workspace of an export', () => snapshots.remove(detached(op, 30_000), id), {
      id,
    }),
  )
  o.lease.add(`workspace:${id}`)
  await snapshots.prepare(op, id, { lowers: layers })
  return id
}
