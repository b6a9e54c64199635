/** The way from files to running containers that `up`, `create`, `scale`, `plan` and `run` share. */
import {
  Limit,
  observe,
  plan,
  type Observed,
  type Plan,
  type PlanOptions,
  type Project,
  type Report,
  type Work,
} from '../../compose/index.ts'
import type { Context } from '../command.ts'
import { composeFlags } from '../commands/compose.ts'
import { findImages, idsOf } from './images.ts'

/** What is to be given to everything that changes containers. */
export function workOf(
  context: Context,
  report: Report,
  o: { timeout?: number | undefined; signal?: AbortSignal } = {},
): Work {
  return {
    client: context.client,
    report,
    limit: new Limit(composeFlags(context).parallel),
    proxies: context.config.proxies(context.host),
    timeout: o.timeout,
    signal: o.signal,
  }
}

/** What there is of the project, and what carries the names that it wants. */
export function observeProject(context: Context, project: Project): Promise<Observed> {
  const names = (all: ReadonlyMap<string, { readonly name: string }>) =>
    [...all.values()].map(({ name }) => name)
  return observe(context.client, project.name, {
    networks: names(project.networks),
    volumes: names(project.volumes),
  })
}

export interface Convergence {
  readonly project: Project
  readonly observed: Observed
  readonly images: ReadonlyMap<string, string>
  readonly plan: Plan
}

/** Whether a volume whose configuration changed may lose what it has. */
export type MayReplace = (volume: string) => Promise<boolean>

/** What is known already is not looked up. Without `mayReplace` the plan is what comes of a yes to every question. */
export async function convergence(
  context: Context,
  project: Project,
  o: Omit<PlanOptions, 'images'> & {
    readonly images?: ReadonlyMap<string, string>
    readonly observed?: Observed
    readonly mayReplace?: MayReplace
  },
): Promise<Convergence> {
  const [observed, images] = await Promise.all([
    o.observed ?? observeProject(context, project),
    o.images ?? findImages(context, project).then(idsOf),
  ])
  const planned = plan(project, observed, { ...o, images })
  const keptVolumes = new Set<string>()
  for (const { kind, name } of planned.volumes)
    if (kind === 'replace' && o.mayReplace && !(await o.mayReplace(name))) keptVolumes.add(name)
  const settled = keptVolumes.size === 0 ? planned : plan(project, observed, { ...o, images, keptVolumes })
  return { project, observed, images, plan: settled }
}

/** `--scale web=3`, over what the files say. Throws plain Errors in docker compose's words. */
export function withScales(project: Project, scales: ReadonlyMap<string, number>): Project {
  const services = new Map(project.services)
  for (const [name, scale] of scales) {
    const service = services.get(name)
    if (!service) throw new Error(`no such service: ${name}`)
    const { deploy, container_name: own } = service
    if (own && scale > 1)
      throw new Error(
        `WARNING: The "${name}" service is using the custom container name "${own}". Docker requires each container to have a unique name. Remove the custom name to scale the service`,
      )
    services.set(name, { ...service, scale, deploy: deploy && { ...deploy, replicas: scale } })
  }
  return { ...project, services }
}

/** The project with these services alone, whatever they depend on. */
export function only(project: Project, names: readonly string[]): Project {
  const services = new Map(project.services)
  const disabled = new Map(project.disabled)
  for (const [name, service] of project.services)
    if (!names.includes(name)) {
      services.delete(name)
      disabled.set(name, service)
    }
  return { ...project, services, disabled }
}

/** `web=3`, of the flag or of the command's arguments. */
export function readScales(
  texts: readonly string[],
  what: '--scale' | 'scale' = '--scale',
): ReadonlyMap<string, number> {
  return new Map(
    texts.map((text) => {
      const [name = '', count = '', more] = text.split('=')
      const flag = what === '--scale'
      if (name === '' || count === '' || more !== undefined)
        throw new Error(
          flag
            ? `invalid --scale option ${JSON.stringify(text)}. Should be SERVICE=NUM`
            : `invalid scale specifier: ${text}`,
        )
      if (!/^\d+$/.test(count))
        throw new Error(
          flag
            ? `invalid --scale option ${JSON.stringify(text)}: ${count} is no number`
            : `invalid scale specifier: can't parse replica value as int: ${text}`,
        )
      return [name, Number(count)]
    }),
  )
}

/** `--wait-timeout`: gives up after so many seconds, in docker compose's words. 0 and less: never. */
export async function withDeadline<T>(
  seconds: number,
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (seconds <= 0) return work(undefined)
  const deadline = new AbortController()
  const late = new Error(`application not healthy after ${seconds}s`)
  const timer = setTimeout(() => deadline.abort(late), seconds * 1000)
  try {
    return await work(deadline.signal)
  } catch (error) {
    throw deadline.signal.aborted ? late : error
  } finally {
    clearTimeout(timer)
  }
}
