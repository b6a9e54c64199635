import type { Daemon } from './daemon.ts'

interface ListedImage {
  Id: string
  RepoTags: string[] | null
}
export const listImages = (daemon: Daemon) => daemon.json<ListedImage[]>('GET', '/images/json')

/** Removes containers, networks, volumes, images but the given ones, and the build cache. */
export async function sweep(daemon: Daemon, keep: ReadonlySet<string>): Promise<void> {
  for (const { Id } of await daemon.json<{ Id: string }[]>('GET', '/containers/json?all=1'))
    await daemon.api('DELETE', `/containers/${Id}?force=1&v=1`)
  await daemon.api('POST', '/networks/prune')
  const { Volumes } = await daemon.json<{ Volumes: { Name: string }[] | null }>('GET', '/volumes')
  for (const { Name } of Volumes ?? []) await daemon.api('DELETE', `/volumes/${Name}`)
  await daemon.api('POST', '/build/prune?all=1')
  for (const image of await listImages(daemon)) {
    const tags = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>')
    const drop = keep.has(image.Id) ? tags.filter((tag) => tag !== 'busybox:latest') : [image.Id]
    for (const name of drop) await daemon.api('DELETE', `/images/${encodeURIComponent(name)}?force=1`)
  }
}
