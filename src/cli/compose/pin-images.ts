import { Limit, type Project } from '../../compose/index.ts'
import { canonical, parseReference, repositoryOf } from '../../lib/reference.ts'
import type { Context } from '../command.ts'
import { composeFlags } from '../commands/compose.ts'
import { authOf } from '../commands/transfer.ts'

/** Each image by the digest that its registry has for the tag; the daemon asks, with our credentials. */
export async function pinImages(context: Context, project: Project): Promise<Project> {
  const limit = new Limit(composeFlags(context).parallel)
  const asked = new Map<string, Promise<string>>()
  const pin = async (image: string): Promise<string> => {
    const reference = parseReference(image)
    // Docker: beside a digest the tag says nothing.
    if (reference.digest !== undefined) return `${repositoryOf(reference)}@${reference.digest}`
    const name = canonical(reference)
    const auth = await authOf(context, reference)
    const { Descriptor } = await limit.run(() => context.client.registry.inspect(name, auth))
    return `${name}@${Descriptor.digest}`
  }
  const services = Array.from(project.services, async ([name, service]) => {
    if (service.image === '') return [name, service] as const
    const pinned = asked.get(service.image) ?? pin(service.image)
    asked.set(service.image, pinned)
    return [name, { ...service, image: await pinned }] as const
  })
  return { ...project, services: new Map(await Promise.all(services)) }
}
