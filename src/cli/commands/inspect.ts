import type { Client } from '../../client/index.ts'
import { DaemonError } from '../../client/index.ts'
import type { Platform } from '../../wire/registry.ts'
import { command, ExitError, type Context } from '../command.ts'
import { inspectFormat } from '../common-flags.ts'
import { describeError } from '../errors.ts'
import { bool, string } from '../flags.ts'
import { readPlatform } from '../platform-flag.ts'

type Kind = 'container' | 'image' | 'network' | 'volume'
type Look = (client: Client, name: string, o: Pick<Show, 'size' | 'platform'>) => Promise<object>

const kinds: Readonly<Record<Kind, Look>> = {
  container: (client, name, { size }) => client.containers.inspect(name, { size }),
  image: (client, name, { platform }) => client.images.inspect(name, { platform }),
  network: (client, name) => client.networks.inspect(name),
  volume: (client, name) => client.volumes.inspect(name),
}
/** Docker's object types that belong to Swarm and plugins. */
const foreign = ['config', 'node', 'plugin', 'secret', 'service', 'task']

export const inspect = command({
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  arguments: [1, Infinity],
  flags: {
    format: inspectFormat(),
    size: bool('Display total file sizes if the type is container', { short: 's' }),
    type: string('Only inspect objects of the given type'),
  },
  run(context, flags, names, given) {
    const all = Object.keys(kinds) as Kind[]
    const chosen = given.has('type') ? all.filter((kind) => kind === flags.type) : all
    if (chosen.length === 0)
      throw new ExitError(
        1,
        foreign.includes(flags.type)
          ? `--type ${flags.type}: Swarm and plugins are not supported`
          : `unknown type: ${JSON.stringify(flags.type)}: must be one of ${[...all, ...foreign]
              .toSorted()
              .map((kind) => JSON.stringify(kind))
              .join(', ')}`,
      )
    return show(context, { names, format: flags.format, size: flags.size, kinds: chosen })
  },
})

function one(kind: Kind, usage: string) {
  return command({
    usage: `[OPTIONS] ${usage} [${usage}...]`,
    arguments: [1, Infinity],
    flags: { format: inspectFormat() },
    run: (context, flags, names) =>
      show(context, { names, format: flags.format, size: false, kinds: [kind] }),
  })
}

export const inspectContainer = command({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  arguments: [1, Infinity],
  flags: { format: inspectFormat(), size: bool('Display total file sizes', { short: 's' }) },
  run: (context, flags, names) =>
    show(context, { names, format: flags.format, size: flags.size, kinds: ['container'] }),
})
export const inspectImage = command({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  arguments: [1, Infinity],
  flags: {
    format: inspectFormat(),
    platform: string(
      "Inspect a specific platform of the multi-platform image.\nIf the image or the server is not multi-platform capable, the command will error out if the platform does not match.\n'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
    ),
  },
  run: (context, flags, names) => {
    const platform = readPlatform(flags.platform)
    return show(context, { names, format: flags.format, size: false, kinds: ['image'], platform })
  },
})
export const inspectVolume = one('volume', 'VOLUME')

export const inspectNetwork = command({
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  arguments: [1, Infinity],
  flags: { format: inspectFormat(), verbose: bool('Verbose output for diagnostics', { short: 'v' }) },
  run(context, flags, names) {
    // Docker: more details of Swarm services; there are none here, so verbose has nothing to add.
    return show(context, { names, format: flags.format, size: false, kinds: ['network'] })
  },
})

interface Show {
  readonly names: readonly string[]
  readonly format: string
  readonly size: boolean
  readonly kinds: readonly Kind[]
  readonly platform?: Platform | undefined
}

/** Docker: prints all that is found; each failure is a line on standard error, and the exit code is 1. */
async function show(context: Context, o: Show): Promise<number> {
  const template = o.format === '' || o.format === 'json' ? undefined : await parse(o.format)
  const errors: string[] = []
  const found: object[] = []
  let text = ''
  for (const name of o.names) {
    try {
      const object = await find(context.client, name, o)
      found.push(object)
      if (template) text += await execute(template, object)
    } catch (error) {
      errors.push(describeError(error))
    }
  }
  if (o.format === '') text = found.length === 0 ? '[]\n' : `${JSON.stringify(found, null, 4)}\n`
  else if (o.format === 'json') text = `${JSON.stringify(found)}\n`
  context.out(text === '' ? '\n' : text)
  if (errors.length > 0) throw new ExitError(1, errors.join('\n'))
  return 0
}

async function find(client: Client, name: string, o: Show): Promise<object> {
  for (const kind of o.kinds) {
    try {
      return await kinds[kind](client, name, o)
    } catch (error) {
      if (o.kinds.length === 1 || !(error instanceof DaemonError) || error.status !== 404) throw error
    }
  }
  throw new Error(`Error: No such object: ${name}`)
}

type Template = Awaited<ReturnType<typeof parse>>

async function parse(format: string) {
  const { Template, TemplateError } = await import('../../lib/go-template.ts')
  try {
    return Template.parse(format)
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(64, `template parsing error: ${error.message}`)
    throw error
  }
}

async function execute(template: Template, object: object): Promise<string> {
  const { goView } = await import('../go-view.ts')
  const { TemplateError } = await import('../../lib/go-template.ts')
  try {
    return `${template.execute(goView(object))}\n`
  } catch (error) {
    if (error instanceof TemplateError)
      throw new Error(`template parsing error: ${error.message}`, { cause: error })
    throw error
  }
}
