/** tag, rmi, history. */
import { messageOf } from '../../lib/errors.ts'
import { shortId } from '../../lib/id.ts'
import { familiarName, parseReference, type Reference } from '../../lib/reference.ts'
import { humanDuration, humanSize } from '../../lib/units.ts'
import { DaemonError } from '../../client/index.ts'
import type { ImageHistoryItem } from '../../wire/image.ts'
import { command, ExitError } from '../command.ts'
import { listFormat } from '../common-flags.ts'
import { describeError } from '../errors.ts'
import { readPlatform } from '../platform-flag.ts'
import { bool, list, string } from '../flags.ts'
import { renderList, type Column } from '../format.ts'
import { ellipsis } from '../text.ts'
import { rfc3339 } from '../time.ts'

/** Docker's words for a name that cannot be one. */
function nameOf(text: string): Reference {
  try {
    return parseReference(text)
  } catch (error) {
    throw new ExitError(
      1,
      `Error parsing reference: ${JSON.stringify(text)} is not a valid repository/tag: ${messageOf(error)}`,
    )
  }
}

export const tag = command({
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  arguments: [2, 2],
  flags: {},
  async run(context, _flags, [source = '', target = '']) {
    // An id, also a short one, reads as a name: only what can be neither is refused here.
    if (!/^(sha256:)?[0-9a-f]{64}$/.test(source)) nameOf(source)
    const reference = nameOf(target)
    if (reference.digest !== undefined)
      throw new ExitError(1, 'refusing to create a tag with a digest reference')
    await context.client.images.tag(source, { repo: familiarName(reference), tag: reference.tag ?? 'latest' })
  },
})

export const rmi = command({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  arguments: [1, Infinity],
  flags: {
    force: bool('Force removal of the image', { short: 'f' }),
    'no-prune': bool('Do not delete untagged parents'),
    platform: list(
      'Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
      { kind: 'strings' },
    ),
  },
  async run(context, flags, names) {
    const platforms = flags.platform
      .flatMap((text) => text.split(','))
      .flatMap((text) => readPlatform(text) ?? [])
    let code = 0
    for (const name of names) {
      try {
        const items = await context.client.images.remove(name, {
          force: flags.force,
          noPrune: flags['no-prune'],
          platforms,
        })
        for (const item of items)
          context.out(
            item.Deleted === undefined ? `Untagged: ${item.Untagged}\n` : `Deleted: ${item.Deleted}\n`,
          )
      } catch (error) {
        // Docker: with --force an image that is not there is said, but no failure.
        if (!flags.force || !(error instanceof DaemonError) || error.status !== 404) code = 1
        context.err(`${describeError(error)}\n`)
      }
    }
    return code
  },
})

export const history = command({
  usage: '[OPTIONS] IMAGE',
  arguments: [1, 1],
  flags: {
    format: listFormat(),
    human: bool('Print sizes and dates in human readable format', { short: 'H', initial: true }),
    'no-trunc': bool("Don't truncate output"),
    platform: string(
      'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
    quiet: bool('Only show image IDs', { short: 'q' }),
  },
  async run(context, flags, [name = '']) {
    const platform = readPlatform(flags.platform)
    const rows = await context.client.images.history(name, { platform })
    context.out(
      await renderList(flags.format, {
        typeName: '*image.historyContext',
        columns: historyColumns({ short: !flags['no-trunc'], human: flags.human }),
        rows,
        table: ['ID', flags.human ? 'CreatedSince' : 'CreatedAt', 'CreatedBy', 'Size', 'Comment'],
        quiet: flags.quiet ? 'ID' : undefined,
      }),
    )
  },
})

function historyColumns(o: { short: boolean; human: boolean }): Record<string, Column<ImageHistoryItem>> {
  const createdAt = (item: ImageHistoryItem) => (item.Created <= 0 ? 'N/A' : rfc3339(item.Created))
  const since = (item: ImageHistoryItem) =>
    item.Created <= 0 ? 'N/A' : `${humanDuration(Date.now() - item.Created * 1000)} ago`
  return {
    ID: { header: 'IMAGE', value: (item) => (o.short ? shortId(item.Id) : item.Id) },
    CreatedSince: {
      header: o.human ? 'CREATED' : 'CREATED AT',
      value: (item) => (o.human ? since(item) : createdAt(item)),
    },
    CreatedAt: { header: 'CREATED AT', value: createdAt },
    CreatedBy: {
      header: 'CREATED BY',
      value: (item) => {
        const text = item.CreatedBy.replaceAll('\t', ' ')
        return o.short ? ellipsis(text, 45) : text
      },
    },
    Size: { header: 'SIZE', value: (item) => (o.human ? humanSize(item.Size) : String(item.Size)) },
    Comment: { header: 'COMMENT', value: (item) => item.Comment },
  }
}
