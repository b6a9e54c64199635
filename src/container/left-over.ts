import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { mountsFolder, type Container, type ContainerPaths } from './container.ts'
import type { Host } from './host.ts'
import { sweepStaged } from './mount-setup.ts'

/** At boot: folders of containers whose creation the daemon did not live to record go. */
export async function sweepFolders(
  paths: ContainerPaths,
  index: { get(id: string): Container | undefined },
): Promise<void> {
  for (const name of await readdir(paths.data))
    if (!index.get(name)) await rm(join(paths.data, name), { recursive: true, force: true })
}

/** At boot: what containers that run hold of mounts stays, what others left goes. */
export async function settleMounts(
  host: Host,
  live: readonly Container[],
  paths: ContainerPaths,
): Promise<void> {
  const held = new Map<string, string[]>()
  for (const c of live)
    for (const { volume } of c.record.mounts)
      if (volume !== undefined) held.set(volume, [...(held.get(volume) ?? []), c.id])
  await host.volumes.settle(held)
  await sweepStaged(mountsFolder(paths), new Set(live.map((c) => c.mountsDirectory)))
}
