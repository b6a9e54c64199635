/** Images of services before containers are made of them: found, pulled or built, by `pull_policy` and by flags. */
import { imageOf, type Project, type Report, type Service } from '../../compose/index.ts'
import { DaemonError } from '../../client/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { parseDuration } from '../../lib/units.ts'
import type { Context } from '../command.ts'

export interface ImageOptions {
  /** `--build`: also what is there already. */
  readonly build?: boolean
  /** `--no-build`: not even what is missing. */
  readonly noBuild?: boolean
  /** `--pull`, over each service's own policy; empty when it was not told. */
  readonly pull?: string
  readonly quietPull?: boolean
  readonly quietBuild?: boolean
}

export type ImageNeed = 'present' | 'pull' | 'build'

interface Found {
  readonly id: string
  /** Unix time in milliseconds; NaN where the engine does not tell. */
  readonly tagged: number
}

/** Ids of the images that services name, of those that are there. */
export async function findImages(context: Context, project: Project): Promise<ReadonlyMap<string, Found>> {
  const names = new Map(
    Array.from(project.services, ([name, service]) => [name, imageOf(project, name, service)] as const),
  )
  const unique = [...new Set(names.values())]
  const found = new Map(
    await Promise.all(unique.map(async (image) => [image, await findImage(context, image)] as const)),
  )
  return new Map(
    [...names].flatMap(([name, image]) => {
      const each = found.get(image)
      return each ? [[name, each] as const] : []
    }),
  )
}

async function findImage(context: Context, image: string): Promise<Found | undefined> {
  try {
    const { Id, Metadata } = await context.client.images.inspect(image)
    return { id: Id, tagged: Date.parse(Metadata?.LastTagTime ?? '') }
  } catch (error) {
    if (error instanceof DaemonError && error.status === 404) return undefined
    throw error
  }
}

/** What has to be done for a service to have its image. */
function imageNeed(
  name: string,
  service: Service,
  o: ImageOptions & { readonly found: Found | undefined },
): ImageNeed {
  const { found } = o
  const policy = o.pull || service.pull_policy
  const canBuild = service.build !== undefined && !o.noBuild
  if (canBuild && (o.build || policy === 'build')) return 'build'
  switch (policy) {
    case 'never':
      if (!found && !canBuild)
        throw new EngineError(
          'not-found',
          `image of service "${name}" is not there, and its pull policy is never`,
        )
      return found ? 'present' : 'build'
    case 'always':
      return service.build ? (found || !canBuild ? 'present' : 'build') : 'pull'
    case 'daily':
    case 'weekly':
    case 'refresh':
      break
    default: {
      const every = /^every_(.+)$/.exec(policy)?.[1]
      if (every === undefined) return needed()
    }
  }
  return found && age(found) < interval(policy) ? 'present' : service.build ? needed() : 'pull'

  function needed(): ImageNeed {
    if (found) return 'present'
    return canBuild ? 'build' : 'pull'
  }
}

const day = 24 * 3600 * 1000

function interval(policy: string): number {
  if (policy === 'daily') return day
  if (policy === 'weekly') return 7 * day
  return parseDuration(policy.replace(/^every_/, '').replace(/^refresh$/, '0')) / 1e6
}

/** Nobody knows when: too long ago. */
function age({ tagged }: Found): number {
  return Number.isNaN(tagged) ? Infinity : Date.now() - tagged
}

/**
 * Pulls and builds what is needed. Ids of all images, by service. `report` is called between the pictures that builds draw
 * themselves.
 */
export async function ensureImages(
  context: Context,
  project: Project,
  o: ImageOptions & { readonly report: Report },
): Promise<ReadonlyMap<string, string>> {
  const found = await findImages(context, project)
  const needs = new Map(
    Array.from(project.services, ([name, service]) => [
      name,
      imageNeed(name, service, { ...o, found: found.get(name) }),
    ]),
  )
  const those = (need: ImageNeed) => [...needs].flatMap(([name, each]) => (each === need ? [name] : []))
  const pull = those('pull')
  const build = those('build')
  if (pull.length === 0 && build.length === 0) return idsOf(found)
  if (pull.length > 0) {
    const { pullServices } = await import('./transfer-images.ts')
    const { mustBuild } = await pullServices(context, project, pull, {
      report: o.report,
      quiet: o.quietPull ?? false,
    })
    build.push(...mustBuild)
  }
  if (build.length > 0) {
    const { buildServices } = await import('./build-services.ts')
    await buildServices(context, project, build, { quiet: o.quietBuild ?? false, onePlatform: true })
  }
  return idsOf(await findImages(context, project))
}

export function idsOf(found: ReadonlyMap<string, Found>): ReadonlyMap<string, string> {
  return new Map(Array.from(found, ([name, { id }]) => [name, id]))
}
