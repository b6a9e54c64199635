import type { Digest } from '../../lib/digest.ts'
import { newId } from '../../lib/id.ts'
import { detached, type Op } from '../../lib/op.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Lease } from '../../store/index.ts'
import type { Io } from '../solver/vertex.ts'
import type { FilesOutput } from './outputs.ts'

/** Sends all files of the image's root. */
export async function sendFiles(
  op: Op,
  output: FilesOutput,
  o: { layers: readonly Digest[]; snapshots: Snapshots; lease: Lease; io: Io },
): Promise<void> {
  const { snapshots } = o
  const id = `b${newId().slice(0, 12)}`
  await using undo = new AsyncDisposableStack()
  undo.defer(async () => {
    try {
      await snapshots.remove(detached(op, 30_000), id)
    } catch (error) {
      op.log.warn("removing an export's workspace failed", { id, error })
    }
  })
  o.lease.add(`workspace:${id}`)
  await snapshots.prepare(op, id, { lowers: o.layers })
  const sent = o.io.status(output.format === 'local' ? 'copying files' : 'sending tarball')
  await output.send(op, snapshots.exportTar(op, id))
  sent()
}
