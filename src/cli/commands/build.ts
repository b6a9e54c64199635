import { Readable } from 'node:stream'
import { DaemonError, parseHost } from '../../client/index.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { canonical, parseReference } from '../../lib/reference.ts'
import type { BuildErrorEvent, BuildEvent, BuildQuery } from '../../wire/build.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import { FailureLog, type Progress } from '../build/progress.ts'
import { command, ExitError, type Context } from '../command.ts'
import { readPairs, toMap } from '../env.ts'
import { bool, list, string, type Flag, type Values } from '../flags.ts'

const { readFileSync, rmSync, statSync, writeFileSync } = process.getBuiltinModule('node:fs')
const { isAbsolute, join, relative, resolve } = process.getBuiltinModule('node:path')

/** Flags of docker build and buildx that are not there yet: refused by name, with the reason. */
const refusals: Readonly<Record<string, string>> = {
  'add-host': 'host entries for build steps are not supported yet',
  allow: 'extra privileges for build steps are not supported',
  annotation: 'annotations are not supported yet',
  attest: 'attestations are not supported yet',
  'build-context': 'additional contexts are not supported yet',
  'cache-from': 'registries are not supported yet',
  'cache-to': 'registries are not supported yet',
  call: 'build checks on their own are not supported yet',
  'cgroup-parent': 'it is set for the whole daemon',
  'cpu-period': 'limits for build steps are not supported yet',
  'cpu-quota': 'limits for build steps are not supported yet',
  'cpu-shares': 'limits for build steps are not supported yet',
  'cpuset-cpus': 'limits for build steps are not supported yet',
  'cpuset-mems': 'limits for build steps are not supported yet',
  isolation: 'it exists on Windows only',
  memory: 'limits for build steps are not supported yet',
  'memory-swap': 'limits for build steps are not supported yet',
  'metadata-file': 'it is not supported yet',
  'no-cache-filter': 'it is not supported yet; use --no-cache',
  output: 'the result is an image in the local store; other outputs are not supported yet',
  'security-opt': 'security options for build steps are not supported yet',
  'shm-size': 'limits for build steps are not supported yet',
  ssh: 'agent forwarding is not supported yet',
  ulimit: 'limits for build steps are not supported yet',
}
const refusedSwitches: Readonly<Record<string, string>> = {
  check: 'build checks on their own are not supported yet',
  pull: 'registries are not supported yet',
  push: 'registries are not supported yet',
  squash: 'squashing is not supported',
}

function tagName(text: string): string {
  canonical(parseReference(text))
  return text
}

function off(text: string): string {
  if (text !== 'false') throw new Error('attestations are not supported yet')
  return text
}

const flags = {
  'build-arg': list('Set build-time variables'),
  file: string('Name of the Dockerfile (Default is "PATH/Dockerfile")', { short: 'f' }),
  'force-rm': bool('Always remove intermediate containers (they are never kept)'),
  iidfile: string('Write the image ID to the file'),
  label: list('Set metadata for an image'),
  load: bool('Store the image locally (always done)'),
  network: string('Set the networking mode for the RUN instructions during build', { initial: 'default' }),
  'no-cache': bool('Do not use cache when building the image'),
  platform: list('Set platform if server is multi-platform capable', { kind: 'string' }),
  progress: string('Set type of progress output ("auto", "plain", "tty", "rawjson")', { initial: 'auto' }),
  provenance: list('Only "false": attestations are not supported yet', { kind: 'string', check: off }),
  quiet: bool('Suppress the build output and print image ID on success', { short: 'q' }),
  rm: bool('Remove intermediate containers after a successful build', { initial: true }),
  sbom: list('Only "false": attestations are not supported yet', { kind: 'string', check: off }),
  secret: list('Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")'),
  tag: list('Name and optionally a tag in the "name:tag" format', { short: 't', check: tagName }),
  target: string('Set the target build stage to build.'),
}

const shorts: Readonly<Record<string, string>> = { 'cpu-shares': 'c', memory: 'm', output: 'o' }
const refused: Readonly<Record<string, Flag>> = {
  ...Object.fromEntries(
    Object.keys(refusals).map((name) => {
      const short = shorts[name]
      return [name, list('', { hidden: true, ...(short !== undefined && { short }) })]
    }),
  ),
  ...Object.fromEntries(Object.keys(refusedSwitches).map((name) => [name, bool('', { hidden: true })])),
}

export const build = command({
  usage: '[OPTIONS] PATH | URL | -',
  arguments: [1, 1],
  flags: { ...refused, ...flags },
  async run(context, values, [where = ''], given) {
    // The spread of `refused` hides the exact types; these are the values of `flags`.
    const options = values as unknown as Values<typeof flags>
    refuse(options, given, values)
    const source = await prepare(where, options)
    const progress = await makeProgress(options)
    const failure = new FailureLog()
    let outcome
    try {
      outcome = await runBuild(context, source, options, (event) => {
        failure.handle(event)
        progress.handle(event)
      })
    } finally {
      progress.close()
    }
    if (outcome.error) {
      // On a terminal, and when all was quiet, the output of the failed step is gone from sight.
      throw new ExitError(1, failure.describe(outcome.error, { repeat: true }).trimEnd())
    }
    if (options.iidfile !== '') writeFileSync(options.iidfile, outcome.imageId)
    if (options.quiet) context.out(`${outcome.imageId}\n`)
  },
})

type Options = Values<typeof flags>

function refuse(
  options: Options,
  given: ReadonlySet<string>,
  values: Readonly<Record<string, unknown>>,
): void {
  for (const [name, why] of Object.entries(refusals)) {
    const value = values[name]
    // What says "the usual" in so many words is the usual.
    const harmless =
      (name === 'output' && Array.isArray(value) && value.every((item) => item === 'type=docker')) ||
      (name === 'isolation' && Array.isArray(value) && value.every((item) => item === 'default'))
    if (given.has(name) && !harmless) throw new EngineError('unsupported', `--${name}: ${why}`)
  }
  for (const [name, why] of Object.entries(refusedSwitches))
    if (values[name] === true) throw new EngineError('unsupported', `--${name}: ${why}`)
  if (!options.rm) throw new EngineError('unsupported', '--rm=false: build steps leave no containers to keep')
  const here = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`
  for (const platform of options.platform.flatMap((text) => text.split(',')))
    if (platform !== here)
      throw new EngineError('unsupported', `--platform ${platform}: only ${here} can be built here`)
  if (!['auto', 'plain', 'tty', 'rawjson', 'quiet'].includes(options.progress))
    throw new EngineError('invalid', `invalid progress mode ${options.progress}`)
  if (!['default', 'none', 'host', 'bridge'].includes(options.network))
    throw new EngineError(
      'unsupported',
      `--network ${options.network}: build steps may use default, host or none`,
    )
}

type Source =
  | { readonly kind: 'directory'; readonly path: string; readonly dockerfile: string; readonly text?: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tar'; readonly stream: Readable; readonly dockerfile: string }

async function prepare(where: string, options: Options): Promise<Source> {
  if (options.iidfile !== '') rmSync(options.iidfile, { force: true })
  if (where === '-') {
    if (options.file === '-')
      throw new ExitError(1, "invalid argument: can't use stdin for both build context and dockerfile")
    return readStandardInput(options)
  }
  if (/^(https?|git|ssh):\/\/|^git@|^github\.com\//.test(where))
    throw new EngineError('unsupported', `contexts from an URL are not supported yet: ${where}`)
  const path = resolve(where)
  let stat
  try {
    stat = statSync(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR'))
      throw new ExitError(
        1,
        `ERROR: failed to build: unable to prepare context: path ${JSON.stringify(where)} not found`,
      )
    throw error
  }
  if (!stat.isDirectory())
    throw new ExitError(
      1,
      `ERROR: failed to build: unable to prepare context: context must be a directory: ${path}`,
    )
  if (options.file === '-')
    return { kind: 'directory', path, dockerfile: 'Dockerfile', text: readFileSync(0, 'utf8') }
  return { kind: 'directory', path, dockerfile: findDockerfile(path, options.file) }
}

/** Absolute. Docker: `-f` is relative to where we are; what is not there may be in the context. */
function findDockerfile(context: string, file: string): string {
  const exists = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined
  const candidates =
    file === ''
      ? [join(context, 'Dockerfile'), join(context, 'dockerfile')]
      : [resolve(file), resolve(context, file)]
  const found = candidates.find(exists)
  if (found === undefined)
    throw new ExitError(
      1,
      `ERROR: failed to build: failed to read dockerfile: open ${file || 'Dockerfile'}: no such file or directory`,
    )
  return found
}

/** Docker: an archive on standard input is the context, anything else is the Dockerfile of an empty context. */
async function readStandardInput(options: Options): Promise<Source> {
  const chunks: Buffer[] = []
  let length = 0
  const { stdin } = process
  for await (const chunk of stdin.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= 512) break
  }
  const head = Buffer.concat(chunks)
  if (isArchive(head)) {
    const rest = async function* () {
      yield head
      yield* stdin as AsyncIterable<Buffer>
    }
    return {
      kind: 'tar',
      stream: Readable.from(rest(), { objectMode: false }),
      dockerfile: options.file || 'Dockerfile',
    }
  }
  const all: Buffer[] = [head]
  if (!stdin.readableEnded) for await (const chunk of stdin as AsyncIterable<Buffer>) all.push(chunk)
  if (length === 0)
    throw new ExitError(1, 'ERROR: failed to build: unable to prepare context: standard input is empty')
  return { kind: 'text', text: Buffer.concat(all).toString('utf8') }
}

function isArchive(head: Buffer): boolean {
  const magic = head.toString('latin1')
  return (
    head.subarray(257, 262).toString('latin1') === 'ustar' ||
    ['\x1f\x8b', 'BZh', '\xfd7zXZ', '\x28\xb5\x2f\xfd'].some((start) => magic.startsWith(start))
  )
}

async function makeProgress(options: Options): Promise<Progress> {
  if (options.quiet || options.progress === 'quiet') return { handle() {}, close() {} }
  const { writeText } = await import('../text.ts')
  const write = (text: string) => writeText(2, text)
  if (options.progress === 'rawjson')
    return { handle: (event) => write(`${JSON.stringify(event)}\n`), close() {} }
  const { stderr } = process
  if (options.progress === 'tty' && !stderr.isTTY)
    throw new EngineError('invalid', '--progress tty: standard error is not a terminal')
  if (options.progress === 'plain' || !stderr.isTTY) {
    const { PlainProgress } = await import('../build/plain.ts')
    return new PlainProgress(write)
  }
  const { TtyProgress } = await import('../build/tty.ts')
  return new TtyProgress(write, () => ({ columns: stderr.columns || 80, rows: stderr.rows || 24 }))
}

interface Outcome {
  readonly imageId: string
  readonly error?: BuildErrorEvent
}

async function runBuild(
  context: Context,
  source: Source,
  options: Options,
  report: (event: BuildEvent) => void,
): Promise<Outcome> {
  const secrets = await readSecrets(options.secret)
  const common: Common = {
    tags: [...options.tag],
    buildArgs: toMap(readPairs([], options['build-arg'], process.env)),
    labels: toMap(readPairs([], options.label)),
    noCache: options['no-cache'],
    ...(options.target !== '' && { target: options.target }),
    ...(options.network !== 'default' && { networkMode: options.network }),
  }
  if (source.kind === 'directory' && parseHost(context.host).kind === 'unix') {
    const outcome = await buildWithEvents(context, { ...common, ...inPlace(source) }, { report, secrets })
    if (outcome) return outcome
  }
  // A stream can be sent once: whether the daemon knows our call has to be known before.
  if (source.kind !== 'tar' || (await isGantry(context))) {
    const { stream, dockerfile } = await archiveOf(source)
    const outcome = await buildWithEvents(
      context,
      { ...common, dockerfile },
      { report, secrets, archive: stream },
    )
    if (outcome) return outcome
  }
  if (secrets.size > 0)
    throw new EngineError('unsupported', '--secret: this daemon has no call that takes build secrets')
  return buildTar(context, await archiveOf(source), common, report)
}

async function readSecrets(flags: readonly string[]): Promise<Map<string, Uint8Array>> {
  if (flags.length === 0) return new Map()
  const module = await import('../build/secrets.ts')
  return module.readSecrets(flags, process.env)
}

type Common = Omit<BuildQuery, 'context' | 'dockerfile' | 'dockerfileText'>
interface Archive {
  readonly stream: Readable
  readonly dockerfile: string
}

async function archiveOf(source: Source): Promise<Archive> {
  if (source.kind === 'tar') return source
  const { tarContext, textContext } = await import('../build/tar-context.ts')
  if (source.kind === 'text') return textContext(source.text)
  return tarContext(source.path, { dockerfile: source.dockerfile, text: source.text })
}

async function isGantry(context: Context): Promise<boolean> {
  return (await context.client.system.version()).Platform?.Name?.startsWith('Gantry') ?? false
}

/** Nothing when the daemon cannot do it this way: it cannot read our directory, or is not Gantry. */
async function buildWithEvents(
  context: Context,
  request: BuildQuery,
  o: {
    report: (event: BuildEvent) => void
    secrets: ReadonlyMap<string, Uint8Array>
    archive?: Readable
  },
): Promise<Outcome | undefined> {
  const { report, secrets, archive } = o
  let outcome: Outcome = { imageId: '', error: noResult }
  let begun = false
  try {
    for await (const event of context.client.images.buildWithEvents(request, { archive, secrets })) {
      begun = true
      report(event)
      if (event.type === 'result') outcome = { imageId: event.imageId }
      else if (event.type === 'error') outcome = { imageId: '', error: event }
    }
  } catch (error) {
    const statuses = archive ? [404, 405] : [400, 403, 404, 405]
    if (begun || !(error instanceof DaemonError) || !statuses.includes(error.status)) throw error
    return undefined
  }
  return outcome
}

const noResult: BuildErrorEvent = {
  type: 'error',
  message: 'the daemon ended the build without a result',
  kind: 'internal',
}

function inPlace(
  source: Extract<Source, { kind: 'directory' }>,
): Pick<BuildQuery, 'context' | 'dockerfile' | 'dockerfileText'> {
  const { dev, ino } = statSync(source.path, { bigint: true })
  const inside = relative(source.path, source.dockerfile)
  return {
    context: { path: source.path, dev: String(dev), ino: String(ino) },
    dockerfile: inside.startsWith('..') || isAbsolute(inside) ? source.dockerfile : inside,
    ...(source.text !== undefined && { dockerfile: 'Dockerfile', dockerfileText: source.text }),
  }
}

/** Docker's own call; its log is shown as one step. */
async function buildTar(
  context: Context,
  archive: Archive,
  common: Common,
  report: (event: BuildEvent) => void,
): Promise<Outcome> {
  const vertex = {
    type: 'vertex',
    id: '1',
    name: 'building from an archive',
    started: Date.now(),
    cached: false,
  } as const
  report(vertex)
  let imageId = ''
  let error: BuildErrorEvent | undefined
  for await (const message of context.client.images.build(archive.stream, {
    ...common,
    dockerfile: archive.dockerfile,
  })) {
    if (message.stream !== undefined) report({ type: 'log', vertex: '1', stream: 1, data: message.stream })
    imageId = imageIdOf(message) ?? imageId
    if (message.error !== undefined)
      error = { type: 'error', kind: 'internal', message: message.errorDetail?.message ?? message.error }
  }
  if (!error && imageId === '') error = noResult
  report({ ...vertex, completed: Date.now(), ...(error && { error: error.message }) })
  return { imageId, ...(error && { error }) }
}

function imageIdOf(message: ProgressMessage): string | undefined {
  const { aux } = message
  return typeof aux === 'object' && aux !== null && 'ID' in aux && typeof aux.ID === 'string'
    ? aux.ID
    : undefined
}
