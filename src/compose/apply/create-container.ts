/** Makes one container of a service, with the files that are written into it. */
import { containerBody, type BodyOptions } from '../desired/container-body.ts'
import { filesText, writtenFiles } from '../desired/file-objects.ts'
import { filesLabel, label } from '../labels.ts'
import type { ObservedContainer } from '../observe.ts'
import { reported } from '../report.ts'
import { gone } from './stop-containers.ts'
import type { Work } from './work.ts'

export interface Made {
  readonly id: string
  readonly name: string
}

export type CreateOptions = Omit<BodyOptions, 'proxies'> & { readonly containerName: string }

/** The container is not started. What fails half-way leaves nothing behind. */
export async function createContainer(work: Work, o: CreateOptions): Promise<Made> {
  const id = `Container ${o.containerName}`
  return reported(work.report, { id, working: 'Creating', done: 'Created' }, () =>
    work.limit.run(() => create(work, o)),
  )
}

/** Without a word of it. */
export function createQuietly(work: Work, o: CreateOptions): Promise<Made> {
  return work.limit.run(() => create(work, o))
}

async function create({ client, report, proxies }: Work, o: CreateOptions): Promise<Made> {
  const body = containerBody({ ...o, proxies })
  // Read before there is a container: what cannot be read stops nothing half-way.
  const files = writtenFiles(o.service, o)
  if (files.length > 0) body.Labels = { ...body.Labels, [filesLabel]: filesText(files) }
  const platform = o.service.platform || process.env['DOCKER_DEFAULT_PLATFORM'] || undefined
  const { Id, Warnings } = await client.containers.create(body, { name: o.containerName, platform })
  for (const warning of Warnings ?? [])
    report({ id: `Container ${o.containerName}`, status: 'warning', text: warning })
  try {
    if (files.length > 0) {
      // Few projects have such files: what writes them is loaded for those.
      const { putFiles } = await import('./put-files.ts')
      await putFiles(client, Id, files)
    }
  } catch (error) {
    await gone(client.containers.remove(Id, { force: true, volumes: true }))
    throw error
  }
  return { id: Id, name: o.containerName }
}

/**
 * Makes a new container in place of one: under another name first, so that the old one is gone only when there is a new one. Docker's
 * names and label for the time between tell a later `up` what happened, should we not get to the end.
 */
export async function recreateContainer(
  work: Work,
  replaced: ObservedContainer,
  o: CreateOptions & { readonly details: string },
): Promise<Made> {
  const id = `Container ${replaced.name}`
  const { client, limit } = work
  return reported(work.report, { id, working: 'Recreate', done: 'Recreated', details: o.details }, () =>
    limit.run(async () => {
      const temporary = `${replaced.id.slice(0, 12)}_${o.containerName}`
      const labels = { ...o.labels, [label.replace]: replaced.name }
      const made = await create(work, { ...o, labels, containerName: temporary })
      await gone(client.containers.stop(replaced.id, { timeout: work.timeout }))
      await gone(client.containers.remove(replaced.id, { force: true }))
      await client.containers.rename(made.id, o.containerName)
      return { id: made.id, name: o.containerName }
    }),
  )
}
