import { list, string, value, type Flag } from './flags.ts'

const reference =
  'Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates'

export const listFormat = (): Flag<string> =>
  string(
    `Format output using a custom template:\n'table':            Print output in table format with column headers (default)\n'table TEMPLATE':   Print output in table format using the given Go template\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.\n${reference}`,
  )

export const inspectFormat = (): Flag<string> =>
  string(
    `Format output using a custom template:\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.\n${reference}`,
    { short: 'f' },
  )

/** Of commands that print for people: JSON, and nothing else. */
export const jsonFormat = (): Flag<string> =>
  value('string', 'Format output: "json", or text for people', '', (text) => {
    if (text !== '' && text !== 'json') throw new Error('must be "json"')
    return text
  })

export const filter = (help: string, short?: string): Flag<readonly string[]> =>
  list(help, {
    kind: 'filter',
    ...(short !== undefined && { short }),
    check: (text) => {
      if (text !== '' && !text.includes('=')) throw new Error('bad format of filter (expected name=value)')
      return text
    },
  })
