/** Images of services, built side by side as bake does it. */
import { composeVersion, imageOf, label, Limit, type Project, type Service } from '../../compose/index.ts'
import { createHash } from 'node:crypto'
import { parseReference, familiarName } from '../../lib/reference.ts'
import { bakeAll } from '../bake/bake-build.ts'
import { makeProgress } from '../build/make-progress.ts'
import type { Context } from '../command.ts'
import { isGantry } from '../is-gantry.ts'
import { composeFlags } from '../commands/compose.ts'
import { authOf } from '../commands/transfer.ts'
import { showTransfer } from '../transfer-progress.ts'
import { withProgress } from './progress.ts'
import { buildTargets, servicesToBuild, type BuildOptions } from './build-plan.ts'

export interface BuildServicesOptions extends Partial<Omit<BuildOptions, 'labels'>> {
  /** Says nothing of how it goes. */
  readonly quiet?: boolean
  /** Further flags of `gantry build`, for every service. */
  readonly flags?: readonly string[]
}

/**
 * Builds the named services that have something to build, tags and labels their images; what a service takes as a context from
 * another one is built first. Returns the names of images by service. Throws what the first failed build says.
 */
export async function buildServices(
  context: Context,
  project: Project,
  names: Iterable<string>,
  o: BuildServicesOptions = {},
): Promise<ReadonlyMap<string, string>> {
  const services = servicesToBuild(project, names)
  if (services.size === 0) return new Map()
  const { progress: told, parallel, dryRun } = composeFlags(context)
  if (dryRun) return withoutBuilding(context, project, services)
  const pushes = (o.push ?? false) && !(await isGantry(context))
  const targets = buildTargets(project, services, {
    ...buildDefaults(project),
    ...o,
    push: (o.push ?? false) && !pushes,
  })
  const progress = await makeProgress({
    progress: told === 'json' ? 'rawjson' : told || process.env['COMPOSE_PROGRESS'] || 'auto',
    quiet: o.quiet ?? false,
    debug: context.debug,
  })
  try {
    await bakeAll(
      context,
      { groups: {}, targets },
      {
        load: false,
        push: false,
        progress,
        env: { ...process.env, ...Object.fromEntries(project.environment) },
        flags: o.flags ?? [],
        limit: new Limit(parallel),
      },
    )
  } finally {
    progress.close()
  }
  const images = new Map(Array.from(services, ([name, service]) => [name, imageOf(project, name, service)]))
  if (pushes)
    for (const [name, service] of services)
      if (service.image !== '') await pushOne(context, images.get(name) ?? '', o.quiet ?? false)
  return images
}

/** Docker compose: the image has a name then, and the id of nothing. */
async function withoutBuilding(
  context: Context,
  project: Project,
  services: ReadonlyMap<string, Service>,
): Promise<ReadonlyMap<string, string>> {
  const images = new Map(Array.from(services, ([name, service]) => [name, imageOf(project, name, service)]))
  await withProgress(context, { title: 'Building' }, async (report) => {
    for (const [name, image] of images) {
      const reference = parseReference(image)
      await context.client.images.tag(image, {
        repo: familiarName(reference),
        tag: reference.tag ?? 'latest',
      })
      const id = createHash('sha1').update(image).digest('hex')
      report({ id: name, status: 'working', text: '==> ==> writing image', details: `dryRun-${id}` })
      report({ id: name, status: 'working', text: '==> ==> naming to', details: image })
      report({ id: name, status: 'done', text: 'Built' })
    }
  })
  return images
}

/** Without flags: what the files say. */
export function buildDefaults(project: Project): BuildOptions {
  return {
    args: {},
    ssh: [],
    noCache: false,
    pull: false,
    push: false,
    provenance: '',
    sbom: '',
    labels: (service) => ({
      [label.project]: project.name,
      [label.service]: service,
      [label.version]: composeVersion,
    }),
  }
}

/** Docker's builder knows nothing of registries. */
async function pushOne(context: Context, image: string, quiet: boolean): Promise<void> {
  const reference = parseReference(image)
  const auth = await authOf(context, reference)
  const messages = context.client.registry.push(familiarName(reference), {
    tag: reference.tag ?? 'latest',
    auth,
  })
  await showTransfer(messages, { write: (text) => context.err(text), columns: undefined, quiet })
}
