/** A plan as people read it: a line for each step, with its reason. */
import { isConverged, type ContainerStep, type Plan } from '../../compose/index.ts'
import { alignTable } from '../text.ts'

export interface PlanLine {
  /** `Container demo-web-1`. */
  readonly id: string
  readonly action: string
  readonly reason: string
}

export function planText(plan: Plan, o: { all?: boolean } = {}): string {
  if (isConverged(plan) && !o.all) return 'Nothing to do: everything is as the files say.\n'
  return alignTable(
    planLines(plan, o).map(({ id, action, reason }) => [id, action, reason]),
    1,
  )
}

/** In the order in which they begin; what stays as it is is left out unless it is asked for. */
export function planLines(plan: Plan, o: { all?: boolean } = {}): PlanLine[] {
  const resources = [...plan.networks, ...plan.volumes].map(({ resource, name, kind, reason }): PlanLine => ({
    id: `${resource === 'network' ? 'Network' : 'Volume'} ${name}`,
    action: kind === 'replace' ? 'recreate' : kind,
    reason,
  }))
  const isDisplaced = new Set(plan.displaced.map(({ container }) => container))
  const remaining = plan.orphans.filter((container) => !isDisplaced.has(container))
  const orphans = remaining.map(({ name, service }): PlanLine => ({
    id: `Container ${name}`,
    action: plan.removeOrphans ? 'remove' : 'keep',
    reason: `the files have no service ${JSON.stringify(service)}`,
  }))
  const displaced = plan.displaced.map(({ container, kind, reason }): PlanLine => ({
    id: `Container ${container.name}`,
    action: kind,
    reason,
  }))
  const containers = [...plan.services.values()].flat().map((step): PlanLine => ({
    id: `Container ${step.name}`,
    action: action(step, plan.start),
    reason: step.reason,
  }))
  const lines = [...resources, ...orphans, ...displaced, ...containers]
  return o.all ? lines : lines.filter((line) => line.action !== 'keep' && line.action !== 'external')
}

function action({ kind }: ContainerStep, start: boolean): string {
  if (start) return kind
  return kind === 'start' || kind === 'restart' ? 'keep' : kind
}
