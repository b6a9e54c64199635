import { reported } from '../../compose/index.ts'
import { command } from '../command.ts'
import { withProgress } from '../compose/progress.ts'
import { indexFlag, serviceContainer } from '../compose/service-container.ts'
import { string } from '../flags.ts'
import { composeFlags } from './compose.ts'
import { commitAs, commitFlags, exportTo } from './container-image.ts'

export const composeExport = command({
  usage: '[OPTIONS] SERVICE',
  flags: {
    index: indexFlag(),
    output: string('Write to a file, instead of STDOUT', { short: 'o' }),
  },
  arguments: [1, 1],
  async run(context, options, [service = '']) {
    const { id, name } = await serviceContainer(context, service, { index: options.index, all: true })
    if (options.output === '') return await exportTo(context, id, '')
    const work = async () => {
      if (!composeFlags(context).dryRun) await exportTo(context, id, options.output)
    }
    await withProgress(context, { title: 'Exporting' }, (report) =>
      reported(report, { id: name, working: 'Exporting', done: 'Exported' }, work),
    )
  },
})

export const composeCommit = command({
  usage: '[OPTIONS] SERVICE [REPOSITORY[:TAG]]',
  flags: { ...commitFlags, index: indexFlag() },
  arguments: [1, 2],
  async run(context, options, [service = '', image]) {
    const { id, name } = await serviceContainer(context, service, { index: options.index, all: true })
    await withProgress(context, { title: 'Committing' }, async (report) => {
      report({ id: name, status: 'working', text: 'Committing' })
      const made = await commitAs(context, { container: id, name: image, flags: options })
      report({ id: name, status: 'done', text: `Committed as ${made}` })
    })
  },
})
