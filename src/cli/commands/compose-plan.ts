import { isConverged } from '../../compose/index.ts'
import { command } from '../command.ts'
import { jsonFormat } from '../common-flags.ts'
import { convergence } from '../compose/converge.ts'
import { planLines, planText } from '../compose/plan-text.ts'
import { checkConvergeFlags, convergedProject, convergeFlags, planOptions } from '../compose/up-flags.ts'
import { bool } from '../flags.ts'

const {
  'always-recreate-deps': alwaysRecreateDeps,
  'force-recreate': forceRecreate,
  'no-deps': noDeps,
  'no-recreate': noRecreate,
  'remove-orphans': removeOrphans,
  scale,
} = convergeFlags

/** Gantry's own: what `up` would do, and why. It works with the plan that `up` carries out. */
export const composePlan = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    all: bool('Show what stays as it is, too', { short: 'a' }),
    'always-recreate-deps': alwaysRecreateDeps,
    'exit-code': bool('Exit with 2 when something would change'),
    'force-recreate': forceRecreate,
    format: jsonFormat(),
    'no-deps': noDeps,
    'no-recreate': noRecreate,
    'no-start': bool("Don't start the services after creating them"),
    'remove-orphans': removeOrphans,
    scale,
  },
  arguments: [0, Infinity],
  run: async (context, options, services) => {
    const all = {
      ...options,
      build: false,
      'no-build': false,
      pull: 'policy',
      'quiet-build': false,
      'quiet-pull': false,
      yes: false,
    }
    checkConvergeFlags(all)
    const project = await convergedProject(context, services, all)
    const { plan } = await convergence(context, project, {
      ...planOptions(services, all),
      start: !options['no-start'],
    })
    for (const warning of plan.warnings) context.err(`WARN ${warning}\n`)
    if (options.format === 'json')
      context.out(`${JSON.stringify(planLines(plan, { all: options.all }), null, 2)}\n`)
    else context.out(options.all ? planText(plan, { all: true }) : planText(plan))
    return options['exit-code'] && !isConverged(plan) ? 2 : 0
  },
})
