import {
  imageOf,
  maskSecrets,
  serviceEnv,
  shownLine,
  type EnvSource,
  type EnvVariable,
} from '../../compose/index.ts'
import { EngineError, kindOf, messageOf } from '../../lib/errors.ts'
import { command, type Context } from '../command.ts'
import { openProject, warnOnce } from '../compose/open-project.ts'
import { bool, string } from '../flags.ts'
import { alignTable } from '../text.ts'
import { visible } from '../../lib/visible.ts'

type Used = EnvSource['variables'][number]

export const composeEnv = command({
  usage: '[OPTIONS] SERVICE',
  flags: {
    format: string('Format the output. Values: [table | json]', { initial: 'table' }),
    'no-image': bool("Leave out the variables of the service's image; the engine is not asked"),
    'show-secrets': bool('Show values that look like secrets'),
  },
  arguments: [1, 1],
  run: async (context, { format, 'no-image': noImage, 'show-secrets': open }, [name = '']) => {
    if (format !== 'table' && format !== 'json')
      throw new EngineError('invalid', `unsupported format ${JSON.stringify(format)}: table or json`)
    const project = await openProject(context, { services: [name], allResources: true })
    const service = project.services.get(name)
    if (!service) throw new EngineError('not-found', `no such service: ${name}`)
    const image = imageOf(project, name, service)
    const warn = warnOnce(context)
    const imageEnv = noImage ? [] : await envOf(context, image, warn)
    const all = serviceEnv(project, name, { imageEnv, warn })
    const view = new View(image, open)
    context.out(
      format === 'json'
        ? `${JSON.stringify(
            all.map((each) => view.json(each)),
            null,
            2,
          )}\n`
        : view.table(all),
    )
  },
})

/** What cannot be asked is left out, and said. */
async function envOf(
  context: Context,
  image: string,
  warn: (text: string) => void,
): Promise<readonly string[]> {
  try {
    return (await context.client.images.inspect(image)).Config.Env ?? []
  } catch (error) {
    const kind = kindOf(error)
    if (kind !== 'not-found' && kind !== 'unavailable') throw error
    const why = kind === 'not-found' ? `image ${image} is not here` : messageOf(error)
    warn(`variables that the image sets are not shown: ${why}`)
    return []
  }
}

/** How variables are shown: with or without what looks secret. */
class View {
  readonly #image: string
  readonly #open: boolean

  constructor(image: string, open: boolean) {
    this.#image = image
    this.#open = open
  }

  table(all: readonly EnvVariable[]): string {
    const rows = all.flatMap(({ name, sources: [first, ...beaten] }) => {
      const instead = beaten.map((each) => `${this.#shown(name, each)} (${this.#origin(each)})`)
      return [
        [name, this.#shown(name, first), this.#origin(first), instead[0] ?? ''],
        ...instead.slice(1).map((text) => ['', '', '', text]),
      ]
    })
    return alignTable([['VARIABLE', 'VALUE', 'FROM', 'INSTEAD OF'], ...rows]).replaceAll(/ +$/gm, '')
  }

  json({ name, sources: [first, ...beaten] }: EnvVariable): object {
    return { name, ...this.#source(name, first), instead_of: beaten.map((each) => this.#source(name, each)) }
  }

  #source(name: string, source: EnvSource): object {
    const { kind, at, variables } = source
    return {
      value: source.value === null ? null : this.#value(name, source),
      source: kind,
      ...(kind === 'image' ? { image: this.#image } : { file: at.file, line: at.line }),
      variables: variables.map((each) => ({
        name: each.name,
        value: each.value === undefined ? null : this.#masked(each.value, [name, each.name]),
        ...(each.at.file === ''
          ? { source: each.value === undefined ? 'none' : 'shell' }
          : { source: 'env file', file: each.at.file, line: each.at.line }),
      })),
    }
  }

  #shown(name: string, source: EnvSource): string {
    if (source.value === null) return '(none)'
    return source.value === '' ? '""' : visible(this.#value(name, source))
  }

  #value(name: string, { value, variables }: EnvSource): string {
    return this.#masked(value ?? '', [name, ...variables.map((each) => each.name)])
  }

  #masked(value: string, names: readonly string[]): string {
    return this.#open ? value : maskSecrets(value, names)
  }

  #origin({ kind, at, variables }: EnvSource): string {
    if (kind === 'image') return `image ${this.#image}`
    return [shownLine(at), ...variables.map(originOfVariable)].join(', ')
  }
}

/** `TAG of .env:2, not of the shell`. */
function originOfVariable({ name, value, at }: Used): string {
  if (value === undefined) return `${name} not set`
  const beaten = at.over ? `, not of ${shownLine(at.over.at)}` : ''
  return `${name} of ${at.file === '' ? 'the shell' : shownLine(at)}${beaten}`
}
