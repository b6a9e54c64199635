import { callOf } from '../build/call.ts'
import { prepare } from '../build/context.ts'
import { agentsOf, buildJob } from '../build/job.ts'
import { metadataOf, writeMetadata } from '../build/metadata.ts'
import { flags, optionsOf, refuse } from '../build/flags.ts'
import { makeProgress } from '../build/make-progress.ts'
import { FailureLog } from '../build/progress.ts'
import { runBuild } from '../build/send.ts'
import { lookIntoStep } from '../build/shell.ts'
import type { BuildErrorEvent, BuildEvent } from '../../wire/build.ts'
import { command, ExitError } from '../command.ts'

const { rmSync, writeFileSync } = process.getBuiltinModule('node:fs')

export const build = command({
  usage: '[OPTIONS] PATH | URL | -',
  arguments: [1, 1],
  flags,
  async run(context, values, [where = ''], given) {
    const options = optionsOf(values)
    refuse(options, given, values)
    const call = callOf(options)
    if (call) return (await import('../build/check.ts')).check(context, call, { where, options })
    if (options.iidfile !== '') rmSync(options.iidfile, { force: true })
    const source = await prepare(where, options)
    using agents = await agentsOf(options)
    const job = await buildJob(options, agents, { proxies: context.config.proxies(context.host) })
    const progress = await makeProgress({
      ...options,
      quiet: options.quiet || options.explain,
      debug: context.debug,
    })
    const failure = new FailureLog()
    let isTold = false
    let outcome
    try {
      const report = (event: BuildEvent) => {
        failure.handle(event)
        progress.handle(event)
      }
      const lookInto = async (error: BuildErrorEvent) => {
        progress.close()
        isTold = true
        context.err(failure.describe(error, { repeat: true }))
        await lookIntoStep(context, error)
      }
      outcome = await runBuild(context, source, job, report, options.shell ? lookInto : undefined)
    } finally {
      progress.close()
    }
    if (outcome.error) {
      if (isTold) throw new ExitError(1)
      if (options.shell) context.err('No shell: it is not a RUN step that failed.\n')
      // On a terminal, and when all was quiet, the output of the failed step is gone from sight.
      throw new ExitError(1, failure.describe(outcome.error, { repeat: true }).trimEnd())
    }
    const explanation = outcome.result?.explanation
    if (explanation) {
      const { describeSteps } = await import('../build/explanation.ts')
      const colours = process.stdout.isTTY && !process.env['NO_COLOR']
      const forPrograms = options.progress === 'rawjson'
      context.out(forPrograms ? `${JSON.stringify(explanation)}\n` : describeSteps(explanation, { colours }))
      return 0
    }
    if (options.iidfile !== '' && outcome.imageId !== '') writeFileSync(options.iidfile, outcome.imageId)
    if (options['metadata-file'] !== '') writeMetadata(options['metadata-file'], metadataOf(outcome))
    // Standard output may be the image itself.
    const isTaken = job.outputs.some(({ dest }) => dest?.path === '-')
    if (options.quiet && !isTaken && outcome.imageId !== '') context.out(`${outcome.imageId}\n`)
    return 0
  },
})
