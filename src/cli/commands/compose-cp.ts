import { observeContainers, reported, type ObservedContainer } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { copyWhole } from '../archive-files.ts'
import { command, type Context } from '../command.ts'
import { projectOrName } from '../compose/open-project.ts'
import { withProgress } from '../compose/progress.ts'
import { indexFlag, noSuchIndex } from '../compose/service-container.ts'
import { copyFrom, copyTo, type CopyOptions } from '../copy/copy-files.ts'
import { bool } from '../flags.ts'
import { OutputQueue } from '../output-queue.ts'
import { composeFlags } from './compose.ts'
import { splitArgument } from './cp.ts'

export const composeCp = command({
  usage: '[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n\tgantry compose cp [OPTIONS] SRC_PATH|- SERVICE:DEST_PATH',
  flags: {
    all: bool('Include containers created by the run command'),
    archive: bool('Archive mode (copy all uid/gid information)', { short: 'a' }),
    'follow-link': bool('Always follow symbol link in SRC_PATH', { short: 'L' }),
    index: indexFlag(),
  },
  arguments: [2, 2],
  async run(context, options, [source = '', destination = '']) {
    const [from, to] = [splitArgument(source), splitArgument(destination)]
    if (from.container !== '' && to.container !== '')
      throw new EngineError('invalid', 'copying between services is not supported')
    const service = from.container || to.container
    if (service === '') throw new EngineError('invalid', 'unknown copy direction')
    const found = await containersOf(context, service, options)
    const common = {
      from: from.path,
      to: to.path,
      followLink: options['follow-link'],
      archive: options.archive,
      skipped: (name: string) => context.err(`${name} is a device: it was left out\n`),
    }
    const [first] = found
    if (from.container !== '' && first) return await copyOut(context, first, common)
    if (from.path === '-' && found.length > 1)
      throw new EngineError(
        'invalid',
        `service "${service}" has ${found.length} containers: --index tells which`,
      )
    await withProgress(context, { title: 'Copying' }, async (report) => {
      for (const container of found) {
        const details = `copy ${source} to ${container.name}:${to.path}`
        await reported(report, { id: container.name, working: 'Copying', done: 'Copied', details }, () =>
          copyTo(context.client.containers, { ...common, container: container.id, input: process.stdin }),
        )
      }
    })
  },
})

/** Docker compose: files go to all containers of a service, and come from its first. */
async function containersOf(
  context: Context,
  service: string,
  { all, index }: { all: boolean; index: number },
): Promise<readonly ObservedContainer[]> {
  const { name } = await projectOrName(context, [service])
  const every = await observeContainers(context.client, name, { oneOff: all ? 'include' : 'exclude' })
  const own = every.filter((each) => each.service === service)
  const found = index > 0 ? own.filter((each) => each.number === index) : own
  if (found.length > 0) return found
  if (index > 0) throw noSuchIndex(service, index)
  throw new EngineError('not-found', `no container found for service "${service}"`)
}

async function copyOut(
  context: Context,
  { id, name }: ObservedContainer,
  o: Omit<CopyOptions, 'container'>,
): Promise<void> {
  const copy = () => copyFrom(context.client.containers, { ...o, container: id })
  if (o.to === '-') {
    const archive = await copy()
    if (typeof archive !== 'number') await copyWhole(archive, new OutputQueue())
    return
  }
  const details = `copy ${name}:${o.from} to ${o.to}`
  // Nothing is written here either.
  const work = composeFlags(context).dryRun ? () => context.client.containers.statPath(id, o.from) : copy
  await withProgress(context, { title: 'Copying' }, (report) =>
    reported<unknown>(report, { id: name, working: 'Copying', done: 'Copied', details }, work),
  )
}
