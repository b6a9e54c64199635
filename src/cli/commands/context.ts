/** `context`: named places of daemons. */
import { parseHost } from '../../client/index.ts'
import { hasCode } from '../../lib/errors.ts'
import { parseBool } from '../../lib/parse-bool.ts'
import { command, ExitError, forEach, type Context } from '../command.ts'
import { inspectFormat, listFormat } from '../common-flags.ts'
import { ContextStore, metadataOf, tlsFiles, type StoredContext, type TlsFile } from '../context-store.ts'
import { defaultName } from '../current-context.ts'
import { bool, string, value } from '../flags.ts'
import { renderList } from '../format.ts'

const { readFileSync } = process.getBuiltinModule('node:fs')

export const storeOf = (context: Context) => new ContextStore(context.config.directory)

/** What the environment says: it is in no file. */
function defaultContext(context: Context): StoredContext {
  return {
    name: defaultName,
    description: 'Current GANTRY_HOST based configuration',
    host: context.environmentHost,
    skipTlsVerify: false,
    tls: {},
  }
}

const endpoint = value<Readonly<Record<string, string>> | undefined>(
  'stringToString',
  'set the docker endpoint',
  undefined,
  (text) => {
    const known = ['host', 'ca', 'cert', 'key', 'skip-tls-verify', 'from']
    const pairs = text.split(',').map((pair) => {
      const equals = pair.indexOf('=')
      const key = pair.slice(0, Math.max(equals, 0))
      if (equals < 0) throw new Error(`${pair} must be formatted as key=value`)
      if (!known.includes(key)) throw new Error(`unrecognized config key: ${key}`)
      return [key, pair.slice(equals + 1)] as const
    })
    return Object.fromEntries(pairs)
  },
  { shown: '[]' },
)

const nameRule = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/

/** Throws where no context may be called so. */
export function checkName(name: string): void {
  if (name === defaultName) throw new ExitError(1, '"default" is a reserved context name')
  if (!nameRule.test(name))
    throw new ExitError(
      1,
      `context name ${JSON.stringify(name)} is invalid, names are validated against regexp ${JSON.stringify(nameRule.source)}`,
    )
}

function readTls(file: TlsFile, path: string): string {
  try {
    return readFileSync(path.replace(/^~(?=\/)/, process.env['HOME'] ?? '~'), 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw new ExitError(1, `${file}: open ${path}: no such file or directory`)
    throw error
  }
}

/** The endpoint that `--docker` describes, over one that there is. */
function withEndpoint(
  context: Context,
  base: StoredContext,
  given: Readonly<Record<string, string>>,
): StoredContext {
  const { from, host, 'skip-tls-verify': skip } = given
  const source = from === undefined ? base : copied(context, from)
  const chosen = host ?? source.host
  if (chosen === '') throw new ExitError(1, 'docker endpoint configuration is required')
  parseHost(chosen)
  const tls = tlsFiles.flatMap((file) => {
    const path = given[file]
    const text = path === undefined ? source.tls[file] : readTls(file, path)
    return text === undefined ? [] : [[file, text]]
  })
  return {
    ...base,
    host: chosen,
    skipTlsVerify: skip === undefined ? source.skipTlsVerify : skipsVerification(skip),
    tls: Object.fromEntries(tls) as StoredContext['tls'],
  }
}

function skipsVerification(text: string): boolean {
  const skip = parseBool(text)
  if (skip !== undefined) return skip
  throw new ExitError(
    1,
    `unable to create docker endpoint config: skip-tls-verify: parsing ${JSON.stringify(text)}: invalid syntax`,
  )
}

/** One by name, `default` too. */
export const copied = (context: Context, name: string) =>
  name === defaultName ? defaultContext(context) : storeOf(context).find(name)

/** Keys of `--docker`. */
const endpointHelp = `Docker endpoint config:

NAME                DESCRIPTION
from                Copy named context's Docker endpoint configuration
host                Docker endpoint on which to connect
ca                  Trust certs signed only by this CA
cert                Path to TLS certificate file
key                 Path to TLS key file
skip-tls-verify     Skip TLS certificate validation

Example:

$ gantry context create my-context --description "some description" --docker "host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file"`

export const create = command({
  more: endpointHelp,
  usage: '[OPTIONS] CONTEXT',
  arguments: [1, 1],
  flags: {
    description: string('Description of the context'),
    docker: endpoint,
    from: string('create context from a named context'),
  },
  async run(context, flags, [name = '']) {
    checkName(name)
    const store = storeOf(context)
    if (store.has(name)) throw new ExitError(1, `context ${JSON.stringify(name)} already exists`)
    const empty: StoredContext = { name, description: '', host: '', skipTlsVerify: false, tls: {} }
    const base = flags.from === '' ? empty : { ...copied(context, flags.from), name }
    const given = flags.docker ?? {}
    if (flags.docker === undefined && flags.from === '')
      throw new ExitError(1, 'docker endpoint configuration is required')
    const made = withEndpoint(context, base, given)
    await store.put({ ...made, description: flags.description })
    context.out(`${name}\n`)
    context.err(`Successfully created context ${JSON.stringify(name)}\n`)
  },
})

export const update = command({
  more: endpointHelp,
  usage: '[OPTIONS] CONTEXT',
  arguments: [1, 1],
  flags: { description: string('Description of the context'), docker: endpoint },
  async run(context, flags, [name = ''], given) {
    checkName(name)
    const store = storeOf(context)
    const before = store.find(name)
    const after = withEndpoint(context, before, flags.docker ?? {})
    await store.put(given.has('description') ? { ...after, description: flags.description } : after)
    context.out(`${name}\n`)
    context.err(`Successfully updated context ${JSON.stringify(name)}\n`)
  },
})

export const ls = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: { format: listFormat(), quiet: bool('Only show context names', { short: 'q' }) },
  async run(context, flags) {
    const rows = [defaultContext(context), ...storeOf(context).list()]
    const marked = flags.format === '' && !flags.quiet
    context.out(
      await renderList(flags.format, {
        typeName: '*formatter.clientContextContext',
        columns: {
          Name: {
            header: 'NAME',
            value: (row) => (marked && row.name === context.contextName ? `${row.name} *` : row.name),
          },
          Description: { header: 'DESCRIPTION', value: (row) => row.description },
          DockerEndpoint: { header: 'DOCKER ENDPOINT', value: (row) => row.host },
          Error: { header: 'ERROR', value: () => '' },
          Current: { header: 'CURRENT', value: (row) => String(row.name === context.contextName) },
        },
        rows,
        table: ['Name', 'Description', 'DockerEndpoint', 'Error'],
        quiet: flags.quiet ? 'Name' : undefined,
      }),
    )
  },
})

export const use = command({
  usage: 'CONTEXT',
  arguments: [1, 1],
  flags: {},
  async run(context, _flags, [name = '']) {
    const store = storeOf(context)
    if (name !== defaultName) store.find(name)
    await store.use(name)
    context.out(`${name}\n`)
    context.err(`Current context is now ${JSON.stringify(name)}\n`)
    const stronger = ['GANTRY_HOST', 'DOCKER_HOST'].find((each) => process.env[each])
    if (name !== defaultName && stronger !== undefined)
      context.err(
        `Warning: ${stronger} environment variable overrides the active context. To use ${JSON.stringify(name)}, either set the global --context flag, or unset ${stronger} environment variable.\n`,
      )
  },
})

export const show = command({
  usage: '',
  arguments: [0, 0],
  flags: {},
  run(context) {
    context.out(`${context.contextName}\n`)
    return Promise.resolve()
  },
})

export const inspect = command({
  usage: '[OPTIONS] [CONTEXT] [CONTEXT...]',
  arguments: [0, Infinity],
  flags: { format: inspectFormat() },
  async run(context, flags, names) {
    const store = storeOf(context)
    const wanted = names.length > 0 ? names : [context.contextName]
    const shown = wanted.map((name) => {
      const isDefault = name === defaultName
      const found = isDefault ? { ...defaultContext(context), description: '' } : store.find(name)
      const files = tlsFiles.flatMap((file) => (found.tls[file] === undefined ? [] : [`${file}.pem`]))
      const memory = '<IN MEMORY>'
      return {
        ...metadataOf(found),
        TLSMaterial: files.length > 0 ? { docker: files } : {},
        Storage: {
          MetadataPath: isDefault ? memory : store.metadataPath(name),
          TLSPath: isDefault ? memory : store.tlsPath(name),
        },
      }
    })
    if (flags.format === '' || flags.format === 'json') {
      context.out(`${JSON.stringify(shown, undefined, flags.format === '' ? 4 : undefined)}\n`)
      return
    }
    const { Template } = await import('../../lib/go-template.ts')
    const template = Template.parse(flags.format)
    for (const each of shown) context.out(`${template.execute(each, { typeName: '*context.Inspect' })}\n`)
  },
})

export const rm = command({
  usage: 'CONTEXT [CONTEXT...]',
  arguments: [1, Infinity],
  flags: { force: bool('Force the removal of a context in use', { short: 'f' }) },
  run(context, flags, names) {
    const store = storeOf(context)
    return forEach(context, names, async (name) => {
      if (name === defaultName)
        throw new Error('context "default" cannot be removed: it is what the environment says')
      if (!flags.force) store.find(name)
      if (store.current === name) {
        if (!flags.force)
          throw new Error(`context ${JSON.stringify(name)} is in use, set -f flag to force remove`)
        await store.use(defaultName)
      }
      store.remove(name)
      return name
    })
  },
})
