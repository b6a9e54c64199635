import { writeFileSync } from 'node:fs'
import {
  checkContainerNames,
  findProject,
  imageOf,
  inDependencyOrder,
  loadModel,
  loadProject,
  serviceHash,
  variablesIn,
  withServices,
  withUsedResources,
  writeImages,
  writeProject,
  writeTree,
  type LoadOptions,
  type Project,
  type ProjectSource,
  type RemoteFiles,
} from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command, type Context } from '../command.ts'
import { withRemoteFiles } from '../compose/remote-files.ts'
import { bool, string } from '../flags.ts'
import { composeFlags, type ComposeFlags } from './compose.ts'

const flags = {
  environment: bool('Print environment used for interpolation.'),
  format: string('Format the output. Values: [yaml | json]'),
  hash: string('Print the service config hash, one per line.'),
  images: bool('Print the image names, one per line.'),
  'lock-image-digests': bool('Produces an override file with image digests'),
  models: bool('Print the model names, one per line.'),
  networks: bool('Print the network names, one per line.'),
  'no-consistency': bool("Don't check model consistency - warning: may produce invalid Compose output"),
  'no-env-resolution': bool("Don't resolve service env files"),
  'no-interpolate': bool("Don't interpolate environment variables"),
  'no-normalize': bool("Don't normalize compose model"),
  'no-path-resolution': bool("Don't resolve file paths"),
  output: string('Save to file (default to stdout)', { short: 'o' }),
  profiles: bool('Print the profile names, one per line.'),
  quiet: bool("Only validate the configuration, don't print anything", { short: 'q' }),
  'resolve-image-digests': bool('Pin image tags to digests'),
  services: bool('Print the service names, one per line.'),
  variables: bool('Print model variables and default values.'),
  volumes: bool('Print the volume names, one per line.'),
}

type Flags = { readonly [K in keyof typeof flags]: (typeof flags)[K]['initial'] }

export const composeConfig = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags,
  arguments: [0, Infinity],
  run: async (context, options, services) => {
    const text = await withRemoteFiles(context, (remotes) =>
      new Config(context, { options, services, remotes }).text(),
    )
    if (options.quiet) return
    if (options.output !== '' && text !== '') writeFileSync(options.output, text)
    else context.out(text)
  },
})

/** What is asked for, out of the project. */
class Config {
  readonly #context: Context
  readonly #options: Flags
  readonly #services: readonly string[]
  readonly #compose: ComposeFlags
  readonly #source: ProjectSource
  readonly #warn: (text: string) => void

  constructor(context: Context, o: { options: Flags; services: readonly string[]; remotes: RemoteFiles }) {
    this.#context = context
    this.#options = o.options
    this.#services = o.services
    this.#compose = composeFlags(context)
    const told = new Set<string>()
    this.#warn = (text) => {
      if (!told.has(text)) context.err(`WARN ${text}\n`)
      told.add(text)
    }
    this.#source = findProject(this.#compose, {
      cwd: process.cwd(),
      environment: process.env,
      warn: this.#warn,
      remotes: o.remotes,
    })
  }

  async text(): Promise<string> {
    const options = this.#options
    if (options.services) return lines(this.#serviceNames())
    if (options.volumes) return lines(sorted(this.#project([]).volumes.keys()))
    if (options.networks) return lines(sorted(this.#project([]).networks.keys()))
    if (options.models) return lines(sorted(this.#project([]).models.keys()))
    if (options.hash !== '') return lines(this.#hashes())
    if (options.profiles) return lines(profilesOf(this.#project(this.#services)))
    if (options.images) return lines(imagesOf(this.#project(this.#services)))
    if (options.variables) return this.#variables()
    if (options.environment) return lines(environmentOf(this.#project(this.#services)))
    return await this.#whole()
  }

  #load(): LoadOptions {
    const options = this.#options
    return {
      interpolation: !options['no-interpolate'],
      normalization: !options['no-normalize'],
      pathResolution: !options['no-path-resolution'],
      consistency: !options['no-consistency'],
      envResolution: false,
      warn: this.#warn,
    }
  }

  #project(services: readonly string[], load: LoadOptions = this.#load()): Project {
    const selected = withServices(loadProject(this.#source, load), services)
    return this.#compose.allResources ? selected : withUsedResources(selected)
  }

  #serviceNames(): string[] {
    if (!this.#options['no-interpolate']) return inDependencyOrder(this.#project([]).services)
    const { tree } = loadModel(this.#source, this.#load())
    const services = tree.entries.get('services')?.value
    return services?.kind === 'mapping' ? sorted(services.entries.keys()) : []
  }

  #hashes(): string[] {
    const { services } = this.#project([])
    const names = this.#options.hash === '*' ? [...services.keys()] : this.#options.hash.split(',')
    return names.toSorted().map((name) => {
      const service = services.get(name)
      if (!service) throw new EngineError('not-found', `no such service: ${name}`)
      return `${name} ${serviceHash(service)}`
    })
  }

  #variables(): string {
    const { tree } = loadModel(this.#source, { ...this.#load(), interpolation: false })
    const all = variablesIn(tree)
    if (this.#options.format === 'json')
      return `${JSON.stringify(Object.fromEntries(all.map((each) => [each.name, goVariable(each)])), null, 4)}\n\n`
    const rows = all.map((each) => [each.name, String(each.required), each.defaultValue, each.alternative])
    return table([['NAME', 'REQUIRED', 'DEFAULT VALUE', 'ALTERNATE VALUE'], ...rows])
  }

  async #whole(): Promise<string> {
    const options = this.#options
    const format = options.format === '' ? 'yaml' : options.format
    if (format !== 'yaml' && format !== 'json')
      throw new EngineError('invalid', `unsupported format ${JSON.stringify(format)}`)
    if (options['no-interpolate']) return writeTree(loadModel(this.#source, this.#load()).tree, format)
    const project = this.#project(this.#services, {
      ...this.#load(),
      envResolution: !options['no-env-resolution'],
    })
    if (!options['no-consistency']) checkContainerNames(project)
    // Docker: what is printed is a Compose file again, in which a dollar is written twice.
    return (await this.#pinned(project, format)).replaceAll('$', '$$$$')
  }

  /** With the digests that registries have now for the images' tags, if they are asked for. */
  async #pinned(project: Project, format: 'yaml' | 'json'): Promise<string> {
    const lock = this.#options['lock-image-digests']
    if (!lock && !this.#options['resolve-image-digests']) return writeProject(project, format)
    const { pinImages } = await import('../compose/pin-images.ts')
    const pinned = await pinImages(this.#context, project)
    return lock ? writeImages(pinned, format) : writeProject(pinned, format)
  }
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}

function sorted(names: Iterable<string>): string[] {
  return [...names].toSorted()
}

function profilesOf({ services, disabled }: Project): string[] {
  const all = [...services.values(), ...disabled.values()]
  return sorted(new Set(all.flatMap((service) => service.profiles)))
}

function imagesOf(project: Project): string[] {
  return Array.from(project.services, ([name, service]) => imageOf(project, name, service))
}

function environmentOf({ environment }: Project): string[] {
  return sorted(Array.from(environment, ([key, value]) => `${key}=${value}`))
}

function goVariable(each: ReturnType<typeof variablesIn>[number]): object {
  return {
    Name: each.name,
    DefaultValue: each.defaultValue,
    PresenceValue: each.alternative,
    Required: each.required,
  }
}

/** Docker: columns of 20 letters at least. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(20, ...rows.map((row) => (row[column]?.length ?? 0) + 3)),
  )
  return lines(
    rows.map((row) =>
      row.map((cell, column) => (column < row.length - 1 ? cell.padEnd(widths[column] ?? 0) : cell)).join(''),
    ),
  )
}
