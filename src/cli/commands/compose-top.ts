import { command } from '../command.ts'
import { openRunning } from '../compose/open-project.ts'
import { alignTable } from '../text.ts'

export const composeTop = command({
  usage: '[SERVICES...]',
  flags: {},
  arguments: [0, Infinity],
  async run(context, _options, services) {
    const { containers } = await openRunning(context, { services, running: true })
    const wanted = containers.filter((each) => services.length === 0 || services.includes(each.service))
    const tops = await Promise.all(
      wanted.map(async (each) => ({ each, ...(await context.client.containers.top(each.id)) })),
    )
    // Containers may answer with different columns.
    const titles = [...new Set(tops.flatMap(({ Titles }) => Titles))]
    const rows = tops.flatMap(({ each, Titles, Processes }) =>
      (Processes ?? []).map((cells) => [
        each.service,
        String(each.number),
        ...titles.map((title) => cells[Titles.indexOf(title)] ?? '-'),
      ]),
    )
    if (rows.length > 0) context.out(alignTable([['SERVICE', '#', ...titles], ...rows], 4))
  },
})
