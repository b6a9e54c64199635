import { shortId } from '../../lib/id.ts'
import { humanDuration, humanSize } from '../../lib/units.ts'
import type { ImageSummary } from '../../wire/image.ts'
import type { Filters } from '../../client/index.ts'
import { command, ExitError, type Context } from '../command.ts'
import { filter, listFormat } from '../common-flags.ts'
import { bool } from '../flags.ts'
import { readFilters, renderList, type Column } from '../format.ts'
import { goTime } from '../time.ts'

interface Row {
  readonly image: ImageSummary
  readonly repository: string
  readonly tag: string
  readonly digest: string
}

export const images = command({
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  arguments: [0, 1],
  flags: {
    all: bool('Show all images (default hides intermediate images)', { short: 'a' }),
    digests: bool('Show digests'),
    filter: filter('Filter output based on conditions provided', 'f'),
    format: listFormat(),
    'no-trunc': bool("Don't truncate output"),
    quiet: bool('Only show image IDs', { short: 'q' }),
    tree: bool('List multi-platform images as a tree (EXPERIMENTAL)'),
  },
  async run(context, flags, [reference], given) {
    const filters = readFilters(flags.filter)
    if (reference !== undefined) filters['reference'] = [...(filters['reference'] ?? []), reference]
    if (flags.tree) return await showTree(context, { flags, given, filters })
    const list = await context.client.images.list({ all: flags.all, filters, digests: flags.digests })
    const format = flags.format || (flags.quiet ? '' : context.config.format('imagesFormat'))
    const withDigest = flags.digests || /\{\{[^}]*\.Digest\b/.test(format)
    const rows =
      flags.quiet && format === ''
        ? list.map((image) => ({ image, repository: '', tag: '', digest: '' }))
        : list.flatMap((image) => rowsOf(image, withDigest))
    context.out(
      await renderList(format, {
        typeName: '*formatter.imageContext',
        columns: columns(!flags['no-trunc']),
        rows,
        table: ['Repository', 'Tag', ...(flags.digests ? ['Digest'] : []), 'ID', 'CreatedSince', 'Size'],
        quiet: flags.quiet ? 'ID' : undefined,
      }),
    )
  },
})

/** Docker: what changes the table is refused, in these words. */
async function showTree(
  context: Context,
  o: { flags: { all: boolean }; given: ReadonlySet<string>; filters: Filters },
): Promise<void> {
  for (const name of ['quiet', 'no-trunc', 'digests', 'format'])
    if (o.given.has(name))
      throw new ExitError(
        1,
        `--${name === 'digests' ? 'show-digest' : name} is not yet supported with --tree`,
      )
  const { drawImageTree } = await import('../image-tree.ts')
  const list = await context.client.images.list({ all: o.flags.all, filters: o.filters, manifests: true })
  const isTerminal = process.stdout.isTTY
  context.out(
    drawImageTree(
      // Docker: nameless ones only with --all; here also for those who ask for them.
      list.filter((image) => o.flags.all || image.RepoTags.length > 0 || 'dangling' in o.filters),
      {
        width: (isTerminal && process.stdout.columns) || 80,
        colour: isTerminal && !process.env['NO_COLOR'],
      },
    ),
  )
}

/** One row for each name; with digests, each tag beside each digest of its repository. */
function rowsOf(image: ImageSummary, withDigest: boolean): Row[] {
  const none = '<none>'
  const tags = (image.RepoTags ?? []).filter((name) => name !== '<none>:<none>')
  const digests = (image.RepoDigests ?? []).filter((name) => name !== '<none>@<none>')
  const digestOf = (repository: string) =>
    digests
      .filter((name) => name.startsWith(`${repository}@`))
      .map((name) => name.slice(repository.length + 1))
  const rows = tags.flatMap((name) => {
    const colon = name.lastIndexOf(':')
    const repository = name.slice(0, colon)
    const tag = name.slice(colon + 1)
    const known = withDigest ? digestOf(repository) : []
    return (known.length > 0 ? known : [none]).map((digest) => ({ image, repository, tag, digest }))
  })
  const tagged = new Set(rows.map((row) => row.repository))
  for (const name of digests) {
    const at = name.indexOf('@')
    const repository = name.slice(0, at)
    if (!tagged.has(repository)) rows.push({ image, repository, tag: none, digest: name.slice(at + 1) })
  }
  return rows.length > 0 ? rows : [{ image, repository: none, tag: none, digest: none }]
}

function columns(short: boolean): Record<string, Column<Row>> {
  return {
    ID: { header: 'IMAGE ID', value: ({ image }) => (short ? shortId(image.Id) : image.Id) },
    Repository: { header: 'REPOSITORY', value: (row) => row.repository },
    Tag: { header: 'TAG', value: (row) => row.tag },
    Digest: { header: 'DIGEST', value: (row) => row.digest },
    CreatedSince: {
      header: 'CREATED',
      value: ({ image }) =>
        image.Created > 0 ? `${humanDuration(Date.now() - image.Created * 1000)} ago` : 'N/A',
    },
    CreatedAt: { header: 'CREATED AT', value: ({ image }) => goTime(image.Created * 1000) },
    Size: { header: 'SIZE', value: ({ image }) => humanSize(image.Size) },
    Containers: {
      header: 'CONTAINERS',
      value: ({ image }) => (image.Containers < 0 ? 'N/A' : String(image.Containers)),
    },
    SharedSize: {
      header: 'SHARED SIZE',
      value: ({ image }) => (image.SharedSize < 0 ? 'N/A' : humanSize(image.SharedSize)),
    },
    VirtualSize: { header: 'SIZE', value: ({ image }) => humanSize(image.Size, 4) },
    UniqueSize: {
      header: 'UNIQUE SIZE',
      value: ({ image }) => (image.SharedSize < 0 ? 'N/A' : humanSize(image.Size - image.SharedSize)),
    },
  }
}
