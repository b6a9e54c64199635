import type { Container } from '../container/index.ts'
import { isUp } from '../container/index.ts'
import type { Image } from '../image/index.ts'
import { kindOf } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { Volume } from '../volume/index.ts'
import type { ImageDeleteItem } from '../wire/image.ts'
import { directorySize } from './disk-usage.ts'
import type { Engine } from './engine.ts'

/** What went, and the bytes that it took. */
export interface Pruned<T> {
  readonly removed: T[]
  readonly bytes: number
}

/** Removes the stopped containers that the caller chooses. One that starts meanwhile is spared. */
export async function pruneContainers(
  op: Op,
  engine: Engine,
  chosen: (c: Container) => boolean,
): Promise<Pruned<string>> {
  const removed: string[] = []
  let bytes = 0
  for (const c of engine.containers.list()) {
    if (isUp(c.state) || !chosen(c)) continue
    const size = await engine.containers.size(op, c)
    if (!(await spared(() => engine.containers.remove(op, c.id, { force: false, volumes: false })))) {
      removed.push(c.id)
      bytes += size
    }
  }
  return { removed, bytes }
}

/** Removes the unused images that the caller chooses, and the layers that nothing needs then. */
export async function pruneImages(
  op: Op,
  engine: Engine,
  chosen: (image: Image) => boolean,
): Promise<Pruned<ImageDeleteItem>> {
  const before = layersSize(engine)
  const removed: ImageDeleteItem[] = []
  for (const image of engine.images.list()) {
    if (engine.imageUser(image.id) || !chosen(image)) continue
    await spared(async () => {
      removed.push(...(await engine.removeImage(op, image.id, { force: true, noPrune: false })))
    })
  }
  await engine.collect(op)
  return { removed, bytes: Math.max(0, before - layersSize(engine)) }
}

/** Removes the volumes that no container mounts and the caller chooses. */
export async function pruneVolumes(
  op: Op,
  engine: Engine,
  chosen: (volume: Volume) => boolean,
): Promise<Pruned<string>> {
  const removed: string[] = []
  let bytes = 0
  for (const volume of engine.volumes.list()) {
    if (engine.volumeUsers(volume.name).length > 0 || !chosen(volume)) continue
    const size = await directorySize(volume.mountpoint)
    if (!(await spared(() => engine.volumes.remove(op, volume.name, { force: false })))) {
      removed.push(volume.name)
      bytes += size
    }
  }
  return { removed, bytes }
}

function layersSize(engine: Engine): number {
  return engine.snapshots.layers().reduce((sum, layer) => sum + layer.size, 0)
}

/** True when the object came into use, or went, between being listed and being removed: that is no failure of a prune. */
async function spared(remove: () => Promise<void>): Promise<boolean> {
  try {
    await remove()
    return false
  } catch (error) {
    if (kindOf(error) === 'conflict' || kindOf(error) === 'not-found') return true
    throw error
  }
}
