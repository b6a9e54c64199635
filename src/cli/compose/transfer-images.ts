/** Images of services, to and from registries, several at once. */
import { Limit, type Project, type ProgressEvent, type Report, type Service } from '../../compose/index.ts'
import { messageOf } from '../../lib/errors.ts'
import { familiarName, parseReference, withDefaultTag } from '../../lib/reference.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { ExitError, type Context } from '../command.ts'
import { composeFlags } from '../commands/compose.ts'
import { authOf } from '../commands/transfer.ts'

interface TransferOptions {
  readonly report: Report
  /** Layers are not told of. */
  readonly quiet?: boolean
  /** What fails is told, and is no failure. */
  readonly ignoreFailures?: boolean
}

export interface PullOptions extends TransferOptions {
  /** Whether a service whose image is here, or can be built, is left alone. Pulled without asking when absent. */
  readonly skip?: (name: string, service: Service) => string | undefined
}

/** What was not pulled but can be built. */
export interface PullResult {
  readonly mustBuild: readonly string[]
}

/**
 * Pulls the images of the named services, each image once. A failure is thrown when all have ended; not that of a service which
 * can be built: it is in the result.
 */
export async function pullServices(
  context: Context,
  project: Project,
  names: Iterable<string>,
  o: PullOptions,
): Promise<PullResult> {
  const { report } = o
  const limit = new Limit(composeFlags(context).parallel)
  const pulling = new Map<string, string>()
  const mustBuild: string[] = []
  const failures: unknown[] = []
  const skipped = (name: string, details: string) =>
    report({ id: name, status: 'done', text: 'Skipped', details })
  const tasks = Array.from(names, async (name) => {
    const service = project.services.get(name)
    if (!service) return
    if (service.image === '') return skipped(name, 'No image to be pulled')
    const why = o.skip?.(name, service)
    if (why !== undefined) return skipped(name, why)
    const other = pulling.get(service.image)
    if (other !== undefined) return skipped(name, `Image is already being pulled by ${other}`)
    pulling.set(service.image, name)
    try {
      await limit.run(() => pullOne(context, project, { name, service, o }))
    } catch (error) {
      if (service.build) mustBuild.push(name)
      else failures.push(error)
    }
  })
  await Promise.all(tasks)
  if (failures.length > 0 && !o.ignoreFailures) throw failures[0]
  return { mustBuild }
}

async function pullOne(
  context: Context,
  project: Project,
  { name, service, o }: { name: string; service: Service; o: TransferOptions },
): Promise<void> {
  const reference = parseReference(service.image)
  const { tag, digest } = withDefaultTag(reference)
  await transfer(
    name,
    { report: o.report, quiet: o.quiet ?? false, working: 'Pulling', done: 'Pulled' },
    async () =>
      context.client.registry.pull(familiarName(reference), {
        tag: digest ?? tag,
        platform: service.platform || project.environment.get('DOCKER_DEFAULT_PLATFORM') || undefined,
        auth: await authOf(context, reference),
      }),
  )
}

/** Pushes the images that services build, with all their tags. Services without `build` or `image` are passed over. */
export async function pushServices(
  context: Context,
  project: Project,
  names: Iterable<string>,
  o: TransferOptions,
): Promise<void> {
  const limit = new Limit(composeFlags(context).parallel)
  const failures: unknown[] = []
  const pushOne = async (image: string) => {
    const reference = parseReference(image)
    const words = { working: 'Pushing', done: 'Pushed' }
    try {
      await transfer(image, { report: o.report, quiet: o.quiet ?? false, ...words }, async () =>
        context.client.registry.push(familiarName(reference), {
          tag: reference.tag ?? 'latest',
          auth: await authOf(context, reference),
        }),
      )
    } catch (error) {
      failures.push(error)
    }
  }
  const tasks = Array.from(names, async (name) => {
    const service = project.services.get(name)
    if (!service) return
    if (!service.build || service.image === '') return o.report({ id: name, status: 'done', text: 'Skipped' })
    await Promise.all([service.image, ...service.build.tags].map((tag) => limit.run(() => pushOne(tag))))
  })
  await Promise.all(tasks)
  if (failures.length > 0 && !o.ignoreFailures) throw failures[0]
}

/** Tells what the daemon tells, layers as parts of the whole. Throws what it reports. */
async function transfer(
  id: string,
  o: { report: Report; quiet: boolean; working: string; done: string },
  begin: () => Promise<AsyncIterable<ProgressMessage>>,
): Promise<void> {
  o.report({ id, status: 'working', text: o.working })
  try {
    for await (const message of await begin()) {
      if (message.errorDetail || message.error !== undefined)
        throw new ExitError(1, message.errorDetail?.message ?? message.error ?? '')
      const event = o.quiet ? undefined : layerEvent(id, message)
      if (event) o.report(event)
    }
  } catch (error) {
    o.report({ id, status: 'error', text: 'Error', details: messageOf(error) })
    throw error
  }
  o.report({ id, status: 'done', text: o.done })
}

const finished = [
  'Pull complete',
  'Already exists',
  'Download complete',
  'Pushed',
  'Layer already exists',
  'Mounted from',
]

function layerEvent(
  parent: string,
  { id, status, progressDetail }: ProgressMessage,
): ProgressEvent | undefined {
  // The name and the digest of the whole are told by its own line.
  if (id === undefined || status === undefined || status.startsWith('Pulling from')) return undefined
  const { current, total } = progressDetail ?? {}
  return {
    id,
    parent,
    status: finished.some((each) => status.startsWith(each)) ? 'done' : 'working',
    text: status,
    ...(current !== undefined && { current }),
    ...(total !== undefined && total > 0 && { total }),
  }
}
