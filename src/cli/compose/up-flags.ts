/** Flags that `up`, `create` and `plan` share, and what they mean for the plan. */
import {
  checkRunnable,
  checkSupported,
  type PlanOptions,
  type Project,
  type Recreate,
} from '../../compose/index.ts'
import type { Context } from '../command.ts'
import { bool, list, string, type Values } from '../flags.ts'
import { only, readScales, withScales } from './converge.ts'
import { openProject, warnOnce } from './open-project.ts'

export const convergeFlags = {
  'always-recreate-deps': bool('Recreate dependent containers. Incompatible with --no-recreate.'),
  build: bool('Build images before starting containers'),
  'force-recreate': bool("Recreate containers even if their configuration and image haven't changed"),
  'no-build': bool("Don't build an image, even if it's policy"),
  'no-deps': bool("Don't start linked services"),
  'no-recreate': bool(
    "If containers already exist, don't recreate them. Incompatible with --force-recreate.",
  ),
  pull: string('Pull image before running ("always"|"missing"|"never"|"policy")', { initial: 'policy' }),
  'quiet-build': bool('Suppress the build output'),
  'quiet-pull': bool('Pull without printing progress information'),
  'remove-orphans': bool('Remove containers for services not defined in the Compose file'),
  scale: list(
    'Scale SERVICE to NUM instances. Overrides the `scale` setting in the Compose file if present.',
    {
      kind: 'scale',
    },
  ),
  yes: bool('Assume "yes" as answer to all prompts and run non-interactively', { short: 'y' }),
}

export type ConvergeValues = Values<typeof convergeFlags>

/** As when no flag is given. */
export const convergeDefaults = Object.fromEntries(
  Object.entries(convergeFlags).map(([name, { initial }]) => [name, initial]),
) as ConvergeValues // each value is its flag's own

/** Throws plain Errors with docker compose's texts for what contradicts itself. */
export function checkConvergeFlags(o: ConvergeValues): void {
  if (o.build && o['no-build']) throw new Error('--build and --no-build are incompatible')
  if (o['force-recreate'] && o['no-recreate'])
    throw new Error('--force-recreate and --no-recreate are incompatible')
  if (o['always-recreate-deps'] && o['no-recreate'])
    throw new Error('--always-recreate-deps and --no-recreate are incompatible')
  if (!['', 'always', 'missing', 'if_not_present', 'never', 'build', 'policy'].includes(o.pull))
    throw new Error(`invalid --pull option ${JSON.stringify(o.pull)}`)
}

/** The project with the services that are meant, as many of each as was said. */
export async function convergedProject(
  context: Context,
  services: readonly string[],
  o: ConvergeValues,
): Promise<Project> {
  const project = await openProject(context, { services, envResolution: true })
  checkSupported(project, warnOnce(context))
  const chosen = o['no-deps'] && services.length > 0 ? only(project, services) : project
  const scaled = withScales(chosen, readScales(o.scale))
  checkRunnable(scaled)
  return scaled
}

export function planOptions(services: readonly string[], o: ConvergeValues): Omit<PlanOptions, 'images'> {
  const recreate: Recreate = o['force-recreate'] ? 'force' : o['no-recreate'] ? 'never' : 'diverged'
  return {
    named: services,
    recreate,
    recreateDependencies: o['no-recreate'] ? 'never' : o['always-recreate-deps'] ? 'force' : 'diverged',
    removeOrphans: o['remove-orphans'],
  }
}

/** `policy`: each service's own. */
export function pullPolicy({ pull }: ConvergeValues): string {
  return pull === 'policy' ? '' : pull === 'if_not_present' ? 'missing' : pull
}
