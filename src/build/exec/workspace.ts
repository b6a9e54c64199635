import { readdirSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { removeXattr } from '../../host/xattr.ts'
import { attempt } from '../../lib/attempt.ts'
import type { Digest } from '../../lib/digest.ts'
import { newId } from '../../lib/id.ts'
import { detached, type Op } from '../../lib/op.ts'
import type { Tree } from '../graph/tree.ts'
import { epochText } from './times.ts'
import type { Tools } from './tools.ts'

/** A writable tree over layers, for the time of one step. */
export interface StepSpace {
  readonly id: string
  /** Where the whole tree is mounted. */
  readonly root: string
  /** A directory of the step's own, outside the tree. */
  readonly scratch: string
  /** What was written, once unmounted. */
  readonly upper: string
  readonly layers: readonly Digest[]
  /** It is not to go when the step ends: it is only unmounted then. */
  keep(): void
}

/** Lends a mounted workspace to `work`; whatever happens, nothing of it is left. */
export async function inSpace<T>(
  op: Op,
  tools: Tools,
  o: { layers: readonly Digest[]; work: (space: StepSpace) => Promise<T> },
): Promise<T> {
  await using undo = new AsyncDisposableStack()
  return await o.work(await openSpace(op, tools, { layers: o.layers, undo }))
}

/** A mounted workspace, until `undo` ends. */
export async function openSpace(
  op: Op,
  tools: Tools,
  o: { layers: readonly Digest[]; undo: AsyncDisposableStack },
): Promise<StepSpace> {
  const id = `b${newId().slice(0, 12)}`
  const scratch = join(tools.runDir, id)
  const deferred = (what: string, run: (op: Op) => Promise<unknown>) =>
    o.undo.defer(() => attempt(op, `${what} of a build step`, () => run(detached(op, 30_000)), { id }))
  // The directory goes last: while it is there the next start looks for remains of the step.
  deferred('remove the bundle', () => rm(scratch, { recursive: true, force: true }))
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  tools.lease.add(`workspace:${id}`)
  let isKept = false
  deferred('remove the workspace', (undoOp) =>
    isKept ? tools.snapshots.unmount(undoOp, id) : tools.snapshots.remove(undoOp, id),
  )
  await tools.snapshots.prepare(op, id)
  // Volatile: what is worth keeping is synced when it has become a layer.
  await tools.ensure(op, o.layers)
  const root = await tools.snapshots.mount(op, id, o.layers, { volatile: true })
  const upper = tools.snapshots.upperPath(id)
  const space = { id, root, scratch, upper, layers: o.layers, keep: () => void (isKept = true) }
  tools.onSpace?.(space)
  return space
}

/** Runs `change` on the tree of `layers` and makes a layer of what it wrote. */
export async function makeLayer(
  op: Op,
  tools: Tools,
  o: {
    layers: readonly Digest[]
    change: (space: StepSpace) => Promise<void>
    /** Both when the tree is no longer mounted. */
    finish?: (space: StepSpace) => Promise<void>
    clean?: (space: StepSpace) => void
  },
): Promise<Tree> {
  return await inSpace(op, tools, {
    layers: o.layers,
    work: async (space) => {
      await o.change(space)
      op.signal.throwIfAborted()
      await tools.snapshots.unmount(op, space.id)
      await o.finish?.(space)
      o.clean?.(space)
      if (o.layers.length === 0) clearOpaque(space.upper)
      const { lease, times } = tools
      const layer = await tools.snapshots.commit(op, space.id, {
        lease,
        ...(times && { epoch: times.epoch }),
      })
      const createdAt = times ? epochText(times) : new Date().toISOString()
      return { layers: [...o.layers, layer.diffId], createdAt }
    },
  })
}

/**
 * The kernel marks directories that are made at the root of an overlay as hiding what is below. On an empty base there
 * is nothing to hide, and a layer that is put on another base later must not.
 */
function clearOpaque(upper: string): void {
  for (const entry of readdirSync(upper, { withFileTypes: true, encoding: 'buffer' }))
    if (entry.isDirectory())
      removeXattr(Buffer.concat([Buffer.from(`${upper}/`), entry.name]), 'trusted.overlay.opaque')
}
