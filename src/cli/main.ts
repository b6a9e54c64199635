/** The `gantry` command: global flags, then one command out of the table. Loads only what that command needs. */
import { connect, defaultHost, type Client, type TlsOptions } from '../client/index.ts'
import { EngineError } from '../lib/errors.ts'
import type { Context } from './command.ts'
import { ExitError } from './command.ts'
import { readConfig, type Config } from './config.ts'
import { currentContext, defaultName } from './current-context.ts'
import { describeError } from './errors.ts'
import { FlagError, HelpRequest, parseFlags, type Values } from './flags.ts'
import { globals } from './globals.ts'
import { invoke, type Found } from './invoke.ts'
import { findCommand, groups } from './table.ts'
import { writeText } from './text.ts'

const environment = process.env
type Globals = Values<typeof globals>

async function main(argv: readonly string[]): Promise<number> {
  let parsed
  try {
    parsed = parseFlags(globals, argv, { interspersed: false })
  } catch (error) {
    if (error instanceof HelpRequest) return rootHelp(1)
    if (!(error instanceof FlagError)) throw error
    throw new ExitError(
      125,
      `${error.message}\n\nUsage:  gantry [OPTIONS] COMMAND [ARG...]\n\nRun 'gantry --help' for more information`,
    )
  }
  const { values, rest } = parsed
  if (values.version) {
    const { versionLine } = await import('./commands/version.ts')
    writeText(1, `${await versionLine()}\n`)
    return 0
  }
  const words = rest[0] === 'help' ? [...rest.slice(1), '--help'] : rest
  const found = findCommand(words)
  if (found) return runCommand(values, found)
  return notFound(words)
}

async function runCommand(values: Globals, found: Found): Promise<number> {
  return invoke(found, await makeContext(values, `gantry ${found.name}`))
}

async function notFound(words: readonly string[]): Promise<number> {
  const [first, second] = words
  if (first === undefined || first === '--help') return rootHelp(first === undefined ? 2 : 1)
  if (!Object.hasOwn(groups, first))
    throw new ExitError(
      1,
      `gantry: unknown command: gantry ${first}\n\nRun 'gantry --help' for more information`,
    )
  if (second === undefined || second.startsWith('-')) {
    const { groupHelp } = await import('./help.ts')
    // Docker: help that was not asked for goes where errors go.
    writeText(second === undefined ? 2 : 1, groupHelp(first))
    return 0
  }
  throw new ExitError(
    1,
    `gantry: unknown command: gantry ${first} ${second}\n\nUsage:  gantry ${first}\n\nRun 'gantry ${first} --help' for more information`,
  )
}

async function rootHelp(stream: 1 | 2): Promise<number> {
  const help = await import('./help.ts')
  writeText(stream, help.rootHelp(globals))
  return 0
}

async function makeContext(values: Globals, path: string): Promise<Context> {
  let client: Client | undefined
  let config: Config | undefined
  // Commands about contexts work with one that is broken, too.
  const about = path.startsWith('gantry context')
  const { text: host, chosen, context: contextName, tls } = await chooseHost(values, { lenient: about })
  // What the levels above hide is nothing that this command line says.
  const debug = values.debug || values['log-level'] === 'debug'
  const context = {
    path,
    host,
    environmentHost: hostOfEnvironment() ?? defaultHost,
    contextName,
    debug,
    get config(): Config {
      return (config ??= readConfig(values.config, (text) => writeText(2, `${text}\n`)))
    },
    get client(): Client {
      return (client ??= connect({
        host,
        tls: tls ?? readTls(values),
        headers: context.config.httpHeaders,
        version: environment['GANTRY_API_VERSION'] || environment['DOCKER_API_VERSION'] || undefined,
        ...(debug && { trace: (line: string) => writeText(2, `debug: ${line}\n`) }),
        // Starting a daemon nobody asked for is only right where it will be the one that is meant.
        ...(!chosen &&
          process.getuid?.() === 0 && {
            onUnavailable: async () => (await import('./daemon-start.ts')).startDaemon(host),
          }),
      }))
    },
    out: (text: string) => writeText(1, text),
    err: (text: string) => writeText(2, text),
  }
  return context
}

interface Choice {
  readonly text: string
  /** Somebody said so: no daemon is started where none is meant. */
  readonly chosen: boolean
  readonly context: string
  readonly tls?: TlsOptions
}

/** Docker's order: `--context`, `--host`, the environment, then the current context. */
async function chooseHost(values: Globals, o: { lenient: boolean }): Promise<Choice> {
  const [host, ...more] = values.host
  if (more.length > 0) throw new ExitError(1, 'Specify only one -H')
  if (host !== undefined && values.context !== '')
    throw new ExitError(1, 'conflicting options: cannot specify both --host and --context')
  const fromEnvironment = hostOfEnvironment()
  const name =
    values.context ||
    (host !== undefined || fromEnvironment !== undefined
      ? defaultName
      : environment['GANTRY_CONTEXT'] || environment['DOCKER_CONTEXT'] || currentContext(values.config))
  if (name !== defaultName) {
    const { ContextStore } = await import('./context-store.ts')
    const store = new ContextStore(values.config)
    if (o.lenient && !store.has(name)) return { text: '', chosen: true, context: name }
    const found = store.find(name)
    const { ca, cert, key } = found.tls
    const secure = ca !== undefined || cert !== undefined || found.skipTlsVerify
    return {
      text: found.host,
      chosen: true,
      context: name,
      ...(secure && { tls: { verify: !found.skipTlsVerify, ca, cert, key } }),
    }
  }
  const text = host ?? fromEnvironment
  return text ? { text, chosen: true, context: name } : { text: defaultHost, chosen: false, context: name }
}

function hostOfEnvironment(): string | undefined {
  return environment['GANTRY_HOST'] || environment['DOCKER_HOST'] || undefined
}

/** Docker: DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say the same as the flags. */
function readTls(values: Globals): TlsOptions | undefined {
  const verify = values.tlsverify || Boolean(environment['DOCKER_TLS_VERIFY'])
  if (!verify && !values.tls) return undefined
  const home = environment['DOCKER_CERT_PATH'] || values.config
  const { readFileSync } = process.getBuiltinModule('node:fs')
  const read = (given: string, name: string, needed: boolean) => {
    try {
      return readFileSync(given || `${home}/${name}`, 'utf8')
    } catch (error) {
      if (given === '' && !needed) return undefined
      throw new EngineError('invalid', `could not read TLS file ${given || `${home}/${name}`}`, {
        cause: error,
      })
    }
  }
  return {
    verify,
    ca: read(values.tlscacert, 'ca.pem', verify),
    cert: read(values.tlscert, 'cert.pem', verify),
    key: read(values.tlskey, 'key.pem', verify),
  }
}

// Not awaited at the top: the bundle is a script (tools/build/cli.ts). Connections end with the process: closing them first
// costs 2 ms, as Node makes the streams of standard error for that.
main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const text = describeError(error)
    if (text !== '') writeText(2, `${text}\n`)
    process.exit(error instanceof ExitError ? error.code : 1)
  },
)
