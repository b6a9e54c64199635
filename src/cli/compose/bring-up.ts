/** From files to containers: what `up` and `create` do. */
import { apply, type Plan, type Project, type Report, type Startable } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Context } from '../command.ts'
import { isGantry } from '../is-gantry.ts'
import { confirmVolume } from './confirm-volume.ts'
import { convergence, observeProject, workOf } from './converge.ts'
import { ensureImages } from './images.ts'
import { openProgress } from './progress.ts'
import {
  checkConvergeFlags,
  convergedProject,
  planOptions,
  pullPolicy,
  type ConvergeValues,
} from './up-flags.ts'
import { isTrueVariable } from './true-variable.ts'

export interface BringUpOptions extends ConvergeValues {
  readonly 'renew-anon-volumes': boolean
  readonly start: boolean
  readonly timeout?: number | undefined
  readonly wait?: boolean
  readonly signal?: AbortSignal
  /** The service whose exit code will be asked for; empty: none. */
  readonly exitCodeFrom?: string
  /** New containers take over from those that run; how many seconds connections to those have to end. */
  readonly rolling?: { readonly drain: number } | undefined
  /** Called with all containers before any of them starts; from then on their output is what is shown. */
  readonly onMade?: (made: BroughtUp) => Promise<void>
}

export interface BroughtUp {
  readonly project: Project
  readonly containers: ReadonlyMap<string, readonly Startable[]>
}

export async function bringUp(
  context: Context,
  services: readonly string[],
  o: BringUpOptions,
): Promise<BroughtUp> {
  checkConvergeFlags(o)
  const project = await convergedProject(context, services, o)
  if (o.exitCodeFrom && !project.services.has(o.exitCodeFrom))
    throw new EngineError('not-found', `no such service: ${o.exitCodeFrom}`)
  if (o.rolling && !(await isGantry(context)))
    throw new EngineError(
      'unsupported',
      '--rolling needs Gantry: a real Docker cannot move ports and names from one container to another',
    )
  using progress = await openProgress(context, { title: 'Running' })
  let attached = false
  const report: Report = (event) => {
    if (!attached || event.status === 'error') progress.report(event)
  }
  const observing = observeProject(context, project)
  // It is awaited below; what fails before must not be an unhandled rejection, too.
  observing.catch(() => {})
  const images = await ensureImages(context, project, {
    report,
    build: o.build,
    noBuild: o['no-build'],
    pull: pullPolicy(o),
    quietPull: o['quiet-pull'],
    quietBuild: o['quiet-build'],
  })
  const wanted = await convergence(context, project, {
    ...planOptions(services, o),
    start: o.start,
    images,
    observed: await observing,
    mayReplace: confirmVolume(progress, { yes: o.yes }),
  })
  warn(context, wanted.plan)
  const work = workOf(context, report, { timeout: o.timeout, ...(o.signal && { signal: o.signal }) })
  const containers = await apply(work, wanted.plan, {
    ...wanted,
    inherit: !o['renew-anon-volumes'],
    wait: o.wait ?? false,
    rolling: o.rolling,
    beforeStart: async (made) => {
      if (!o.onMade) return
      progress.close()
      attached = true
      await o.onMade({ project, containers: made })
    },
  })
  return { project, containers }
}

function warn(context: Context, plan: Plan): void {
  for (const warning of plan.warnings) context.err(`WARN ${warning}\n`)
  if (plan.orphans.length === 0 || plan.removeOrphans || isTrueVariable('COMPOSE_IGNORE_ORPHANS')) return
  const names = plan.orphans.map(({ name }) => name).join(' ')
  context.err(
    `WARN Found orphan containers ([${names}]) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.\n`,
  )
}
