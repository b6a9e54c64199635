import type { SearchResult } from '../../wire/registry.ts'
import { command } from '../command.ts'
import { filter } from '../common-flags.ts'
import { Credentials } from '../credentials.ts'
import { bool, int, string } from '../flags.ts'
import { readFilters, renderList, type Column } from '../format.ts'
import { ellipsis } from '../text.ts'

export const search = command({
  usage: '[OPTIONS] TERM',
  arguments: [1, 1],
  flags: {
    filter: filter('Filter output based on conditions provided', 'f'),
    format: string('Pretty-print search using a Go template'),
    limit: int('Max number of search results'),
    'no-trunc': bool("Don't truncate output"),
  },
  async run(context, flags, [term = '']) {
    const first = term.includes('/') ? (term.split('/', 1)[0] ?? '') : ''
    const domain = /[.:]/.test(first) || first === 'localhost' ? first : 'docker.io'
    const rows = await context.client.registry.search(term, {
      limit: flags.limit,
      filters: readFilters(flags.filter),
      auth: await Credentials.open(context.config.directory).getOrWarn(domain, (text) => context.err(text)),
    })
    context.out(
      await renderList(flags.format, {
        typeName: '*search.Context',
        columns: columns(!flags['no-trunc']),
        rows,
        table: ['Name', 'Description', 'StarCount', 'IsOfficial'],
      }),
    )
  },
})

function columns(short: boolean): Record<string, Column<SearchResult>> {
  const mark = (value: boolean) => (value ? '[OK]' : '')
  return {
    Name: { header: 'NAME', value: (row) => row.name.replace(/\p{Cc}/gu, ' ') },
    Description: {
      header: 'DESCRIPTION',
      value: (row) => {
        // Anybody may publish a description: it does not move our cursor.
        const line = row.description.replace(/\p{Cc}/gu, ' ')
        return short ? ellipsis(line, 45) : line
      },
    },
    StarCount: { header: 'STARS', value: (row) => String(row.star_count) },
    IsOfficial: { header: 'OFFICIAL', value: (row) => mark(row.is_official) },
    IsAutomated: { header: 'AUTOMATED', value: (row) => mark(row.is_automated) },
  }
}
