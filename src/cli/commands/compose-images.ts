import type { ObservedContainer } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { shortId } from '../../lib/id.ts'
import { canonical, familiarName, parseReference } from '../../lib/reference.ts'
import { humanDuration, humanSize } from '../../lib/units.ts'
import type { ImageInspect } from '../../wire/image.ts'
import { command, type Context } from '../command.ts'
import { openRunning } from '../compose/open-project.ts'
import { bool, string } from '../flags.ts'
import { alignTable } from '../text.ts'

export const composeImages = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    format: string('Format the output. Values: [table | json]', { initial: 'table' }),
    quiet: bool('Only display IDs', { short: 'q' }),
  },
  arguments: [0, Infinity],
  async run(context, options, services) {
    if (options.format !== 'table' && options.format !== 'json')
      throw new EngineError('invalid', `unsupported format ${JSON.stringify(options.format)}: table or json`)
    const { containers } = await openRunning(context, { services })
    const wanted = containers.filter((each) => services.length === 0 || services.includes(each.service))
    if (options.quiet) {
      const ids = new Set(wanted.map(({ summary }) => summary.ImageID.replace(/^sha256:/, '')))
      context.out([...ids].map((id) => `${id}\n`).join(''))
      return
    }
    const rows = await rowsOf(context, wanted)
    if (options.format === 'json') context.out(`${JSON.stringify(rows.map(jsonRow))}\n`)
    else
      context.out(
        alignTable(
          [
            ['CONTAINER', 'REPOSITORY', 'TAG', 'PLATFORM', 'IMAGE ID', 'SIZE', 'CREATED'],
            ...rows.map(({ container, repository, tag, platform, image }) => [
              container,
              repository,
              tag,
              platform,
              shortId(image.Id),
              humanSize(image.Size),
              tagged(image) === '' ? 'N/A' : `${humanDuration(Date.now() - Date.parse(tagged(image)))} ago`,
            ]),
          ],
          20,
        ),
      )
  },
})

interface Row {
  readonly container: string
  readonly repository: string
  readonly tag: string
  readonly platform: string
  readonly image: ImageInspect
}

/** One inspection an image, however many containers it has. */
async function rowsOf(context: Context, containers: readonly ObservedContainer[]): Promise<Row[]> {
  const images = new Map<string, Promise<ImageInspect>>()
  const rows = containers.map(async ({ name, summary }) => {
    const known = images.get(summary.ImageID) ?? context.client.images.inspect(summary.ImageID)
    images.set(summary.ImageID, known)
    const image = await known
    return { container: name, ...nameOf(summary.Image, image), platform: platformOf(image), image }
  })
  return (await Promise.all(rows)).toSorted((a, b) => (a.container < b.container ? -1 : 1))
}

/** In place of a name, where the container's image has another one by now. */
const imageId = /^(sha256:)?[\da-f]{12,64}$/

/** The name that the container was made by, if the image still has it; else any of its names. */
export function nameOf(
  asked: string,
  { RepoTags }: Pick<ImageInspect, 'RepoTags'>,
): { repository: string; tag: string } {
  const names = (RepoTags ?? []).filter((tag) => tag !== '<none>:<none>').map(parseReference)
  const wanted = imageId.test(asked) ? undefined : canonical(parseReference(asked))
  const reference = names.find((name) => canonical(name) === wanted) ?? names[0]
  if (reference === undefined) return { repository: '<none>', tag: '<none>' }
  return { repository: familiarName(reference), tag: reference.tag ?? 'latest' }
}

function platformOf({ Os, Architecture, Variant }: ImageInspect): string {
  return [Os, Architecture, Variant].filter((each) => each).join('/')
}

/** Docker compose: not when it was made, but when it came to have its name. */
function tagged({ Metadata, Created }: ImageInspect): string {
  const time = Metadata?.LastTagTime ?? ''
  return time === '' || time.startsWith('0001') ? (Created ?? '') : time
}

function jsonRow({ container, repository, tag, platform, image }: Row): object {
  return {
    ID: image.Id,
    ContainerName: container,
    Repository: repository,
    Tag: tag,
    Platform: platform,
    Size: image.Size,
    LastTagTime: tagged(image),
  }
}
