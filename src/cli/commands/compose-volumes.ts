import { label } from '../../compose/index.ts'
import { command } from '../command.ts'
import { listFormat } from '../common-flags.ts'
import { openRunning } from '../compose/open-project.ts'
import { bool } from '../flags.ts'
import { volumeList } from './volumes.ts'

export const composeVolumes = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    format: listFormat(),
    quiet: bool('Only display volume names', { short: 'q' }),
  },
  arguments: [0, Infinity],
  async run(context, options, services) {
    const { name, containers } = await openRunning(context, { services })
    const { Volumes } = await context.client.volumes.list({ label: [`${label.project}=${name}`] })
    const used = new Set(
      containers
        .filter((each) => services.includes(each.service))
        .flatMap(({ summary }) => (summary.Mounts ?? []).map((mount) => mount.Name)),
    )
    const wanted = (Volumes ?? []).filter((each) => services.length === 0 || used.has(each.Name))
    context.out(await volumeList(context, wanted, options))
  },
})
