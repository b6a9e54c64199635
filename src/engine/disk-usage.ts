import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheItem } from '../build/index.ts'
import type { Container } from '../container/index.ts'
import type { Image } from '../image/index.ts'
import { hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { Volume } from '../volume/index.ts'
import type { Engine } from './engine.ts'

/** What takes how much room, in bytes of file content. */
export interface DiskUsage {
  /** All layers, shared ones counted once. */
  readonly layersBytes: number
  readonly images: readonly { image: Image; sharedBytes: number; containers: number }[]
  /** What the containers themselves wrote. */
  readonly containers: readonly { container: Container; bytes: number }[]
  readonly volumes: readonly { volume: Volume; bytes: number; users: number }[]
  readonly cache: readonly CacheItem[]
}

export async function diskUsageOf(op: Op, engine: Engine): Promise<DiskUsage> {
  const { images, containers, volumes, snapshots, builder } = engine
  const list = containers.list()
  return {
    layersBytes: snapshots.layers().reduce((sum, layer) => sum + layer.size, 0),
    images: images.list().map((image) => ({
      image,
      sharedBytes: images.sharedSize(image),
      containers: list.filter((c) => c.imageId === image.id).length,
    })),
    containers: await Promise.all(
      list.map(async (container) => ({ container, bytes: await containers.size(op, container) })),
    ),
    volumes: await Promise.all(
      volumes.list().map(async (volume) => ({
        volume,
        bytes: await directorySize(volume.mountpoint),
        users: engine.volumeUsers(volume.name).length,
      })),
    ),
    cache: await builder.cache.items(op),
  }
}

/** Bytes of all regular files below a directory, hard links counted once. What vanishes meanwhile counts nothing. */
export async function directorySize(path: string, seen = new Set<bigint>()): Promise<number> {
  let total = 0
  const entries = await readdir(path, { withFileTypes: true }).catch(ignoreGone([]))
  for (const entry of entries) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) total += await directorySize(child, seen)
    else if (entry.isFile()) {
      const stats = await lstat(child, { bigint: true }).catch(ignoreGone(undefined))
      if (!stats || seen.has(stats.ino)) continue
      if (stats.nlink > 1n) seen.add(stats.ino)
      total += Number(stats.size)
    }
  }
  return total
}

const ignoreGone =
  <T>(value: T) =>
  (error: unknown): T => {
    if (hasCode(error, 'ENOENT')) return value
    throw error
  }
