/** What people do with volumes beyond docker: archives, and a prune that can be looked at first and taken back. */
import type { Readable } from 'node:stream'
import { decompress } from '../host/decompress.ts'
import { EngineError, kindOf, messageOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { Volume } from '../volume/index.ts'
import { directorySize } from './disk-usage.ts'
import type { Engine } from './engine.ts'

type Parts = Pick<Engine, 'volumes' | 'snapshots'>

/** Hands the volume's content as a tar to `send`; the volume cannot go meanwhile. Owners, modes and times are in it. */
export function exportVolume(
  op: Op,
  { volumes, snapshots }: Parts,
  o: { name: string; send: (tar: Readable) => Promise<void> },
): Promise<void> {
  return volumes.using(op, o.name, (path) => o.send(snapshots.directoryTar(op, path)))
}

/**
 * Makes a volume of a tar, compressed or not, or fills an empty one. The archive is not trusted. All or nothing, but with
 * `force`, which unpacks over what a volume has already.
 */
export async function importVolume(
  op: Op,
  { volumes, snapshots }: Parts,
  o: { name: string; archive: Readable; force: boolean },
): Promise<Volume> {
  const { name } = o
  const unpack = async (dir: string) => {
    const source = await decompress(op, o.archive)
    await snapshots.extract(op, { dir, source, anySymlinks: true, whole: true })
  }
  if (!volumes.list().some((volume) => volume.name === name)) return volumes.make(op, { name }, unpack)
  const users = volumes.users(name)
  if (!o.force && !(await volumes.isEmpty(op, name)))
    throw new EngineError('conflict', `import ${name}: the volume has content; --force unpacks over it`)
  if (!o.force && users.length > 0)
    throw new EngineError('conflict', `import ${name}: volume is in use - [${users.join(', ')}]`)
  if (o.force) await volumes.using(op, name, unpack)
  else await volumes.fill(op, name, unpack)
  return volumes.find(name)
}

export interface PrunePlan {
  readonly volume: Volume
  readonly bytes: number
}

/** What a prune would take, and how much room each has; nothing happens. */
export async function planVolumePrune(
  engine: Pick<Engine, 'volumes'>,
  chosen: (volume: Volume) => boolean,
): Promise<PrunePlan[]> {
  const { volumes } = engine
  const free = volumes.list().filter((volume) => volumes.users(volume.name).length === 0 && chosen(volume))
  return Promise.all(free.map(async (volume) => ({ volume, bytes: await directorySize(volume.mountpoint) })))
}

export interface PruneOutcome {
  /** Gone for good. */
  readonly deleted: string[]
  /** In the trash. */
  readonly kept: string[]
  /** Not touched, with the reason: it came into use since it was listed, or is another one by now. */
  readonly spared: { readonly name: string; readonly reason: string }[]
  /** Of what is gone for good. */
  readonly bytes: number
  /** Of what is in the trash. */
  readonly keptBytes: number
}

/**
 * Takes the volumes of a list that was made before. What nobody named is deleted; the others rest in the trash for `keep`
 * milliseconds (0: deleted too).
 */
export async function pruneListedVolumes(
  op: Op,
  { volumes }: Pick<Engine, 'volumes'>,
  o: { list: readonly { name: string; createdAt: string }[]; keep: number },
): Promise<PruneOutcome> {
  const outcome = { deleted: [], kept: [], spared: [], bytes: 0, keptBytes: 0 } as {
    -readonly [K in keyof PruneOutcome]: PruneOutcome[K]
  }
  for (const { name, createdAt } of o.list) {
    try {
      const { anonymous, mountpoint, options } = volumes.find(name)
      const bytes = await directorySize(mountpoint)
      // A volume with mount options has no content of its own to keep.
      const keep = o.keep > 0 && !anonymous && options['device'] === undefined
      const { id } = await volumes.discard(op, name, { keep: keep ? o.keep : 0, createdAt })
      if (keep) {
        outcome.kept.push(name)
        outcome.keptBytes += bytes
      } else {
        await volumes.emptyTrash(id)
        outcome.deleted.push(name)
        outcome.bytes += bytes
      }
    } catch (error) {
      if (kindOf(error) !== 'conflict' && kindOf(error) !== 'not-found') throw error
      outcome.spared.push({ name, reason: messageOf(error) })
    }
  }
  return outcome
}
