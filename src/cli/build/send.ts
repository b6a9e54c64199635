import type { Readable } from 'node:stream'
import { DaemonError, parseHost, type OutputSink } from '../../client/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type {
  BuildErrorEvent,
  BuildEvent,
  BuildQuery,
  BuildResultEvent,
  NamedContextQuery,
} from '../../wire/build.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import type { AuthConfig } from '../../wire/registry.ts'
import type { Context } from '../command.ts'
import { isGantry } from '../is-gantry.ts'
import type { Source } from './context.ts'
import { hostPath } from './host-path.ts'
import type { BuildJob, Common } from './job.ts'
import type { NamedContexts } from './named-contexts.ts'

const { isAbsolute, relative } = process.getBuiltinModule('node:path')

export interface Outcome {
  readonly imageId: string
  readonly result?: BuildResultEvent
  readonly error?: BuildErrorEvent
}

/** Builds in the way that the daemon can: from the directory in place, else from a tar. */
export async function runBuild(
  context: Context,
  source: Source,
  job: BuildJob,
  report: (event: BuildEvent) => void,
  /** Looks into a failed step while the build lives. */
  lookInto?: (error: BuildErrorEvent) => Promise<void>,
): Promise<Outcome> {
  const { secrets, outputs, caches } = job
  const wire = outputs.map((output) => output.wire)
  const cacheTo = caches.map((cache) => cache.wire)
  const common: Omit<BuildQuery, 'dockerfile'> = {
    ...job.common,
    ...(wire.length > 0 && { outputs: wire }),
    ...(cacheTo.length > 0 && { cacheTo }),
  }
  const all = [...outputs, ...caches]
  using sinks = all.some((output) => output.dest) ? await openSinks(context, all) : noSinks
  const credentials = await credentialsOf(context)
  const o = { report, lookInto, secrets, credentials, sinks: sinks.byIndex }
  const { contexts } = job
  const named = Object.keys(contexts).length > 0
  const local = source.kind === 'directory' || Object.values(contexts).some((each) => 'path' in each)
  if (source.kind !== 'tar' && local && parseHost(context.host).kind === 'unix') {
    const request = { ...common, ...inPlace(source), ...(named && { contexts }) }
    const outcome = await buildWithEvents(context, request, o)
    if (outcome) return outcome
  }
  // A stream can be sent once: whether the daemon knows our call has to be known before.
  if (source.kind !== 'tar' || (await isGantry(context))) {
    const isSent = source.kind === 'directory' || source.kind === 'tar'
    const archive = isSent ? await archiveOf(source) : undefined
    const sent = named ? await sentContexts(contexts) : undefined
    const request = {
      ...common,
      ...(isSent ? { dockerfile: archive?.dockerfile ?? '' } : inPlace(source)),
      ...(sent && { contexts: sent.wire, sent: sent.archives.length }),
    }
    const streams = { archive: archive?.stream, archives: sent?.archives ?? [] }
    const outcome = await buildWithEvents(context, request, { ...o, ...streams, whole: true })
    if (outcome) return outcome
  }
  refuseForDocker(job)
  if (source.kind === 'remote')
    throw new EngineError('unsupported', 'this daemon has no call that takes an URL as context from here')
  return buildTar(context, await archiveOf(source), { ...job.common, credentials }, report)
}

/** The daemon asks registries in our name: which of them, only the Dockerfile tells. */
async function credentialsOf(context: Context): Promise<Record<string, AuthConfig>> {
  const { Credentials } = await import('../credentials.ts')
  return await Credentials.open(context.config.directory).allOrWarn((text) => context.err(text))
}

const noSinks = { byIndex: new Map<number, OutputSink>(), [Symbol.dispose]() {} }

async function openSinks(context: Context, outputs: BuildJob['outputs']) {
  const { Sinks } = await import('./sinks.ts')
  return new Sinks(outputs, (name) =>
    context.err(`WARNING: ${name} was left out: it is a device or a pipe\n`),
  )
}

/** Docker's own call takes less than ours. */
function refuseForDocker({ common, contexts, secrets, outputs, caches }: BuildJob): void {
  const asked: Readonly<Record<string, boolean>> = {
    'build-context': Object.keys(contexts).length > 0,
    ssh: common.ssh !== undefined,
    allow: common.allow !== undefined,
    attest: common.attestations !== undefined,
    'platform with several': common.platform?.includes(',') === true,
    explain: common.explain === true,
    shell: common.shell === true,
    secret: secrets.size > 0,
    output: outputs.some(({ wire }) => wire.type !== 'docker' && wire.type !== 'image') || outputs.length > 1,
    push: outputs.some(({ wire }) => wire.attrs['push'] !== undefined),
    'cache-to': caches.length > 0,
    'cache-from type=local': common.cacheFrom?.some(({ kind }) => kind === 'local') === true,
    'check-options': common.checkOptions !== undefined,
    'no-cache-filter': common.noCacheFilter !== undefined,
    reproducible: common.reproducible === true,
    verify: common.verify === true,
  }
  for (const [flag, given] of Object.entries(asked))
    if (given) throw new EngineError('unsupported', `--${flag}: this daemon has no call that takes it`)
}

interface Archive {
  readonly stream: Readable
  readonly dockerfile: string
}

async function archiveOf(source: Source): Promise<Archive> {
  if (source.kind === 'tar') return source
  const { tarContext, textContext } = await import('./tar-context.ts')
  if (source.kind === 'text') return textContext(source.text)
  if (source.kind === 'remote') throw new Error('what is fetched by the daemon is not sent')
  return tarContext(source.path, { dockerfile: source.dockerfile, text: source.text })
}

/** Directories as tars, for a daemon that cannot read them in place. */
async function sentContexts(
  contexts: NamedContexts,
): Promise<{ wire: Record<string, NamedContextQuery>; archives: Readable[] }> {
  const { tarContext } = await import('./tar-context.ts')
  const archives: Readable[] = []
  const wire: Record<string, NamedContextQuery> = {}
  for (const [name, each] of Object.entries(contexts)) {
    if (each.kind === 'oci-layout')
      throw new EngineError(
        'unsupported',
        `--build-context ${name}: a layout is read in place, for root on the daemon's host`,
      )
    if (each.kind !== 'directory') {
      wire[name] = each
      continue
    }
    wire[name] = { kind: 'sent', index: archives.length }
    archives.push((await tarContext(each.path, {})).stream)
  }
  return { wire, archives }
}

/** Nothing when the daemon cannot do it this way: it cannot read our directory, or is not Gantry. */
async function buildWithEvents(
  context: Context,
  request: BuildQuery,
  o: {
    report: (event: BuildEvent) => void
    lookInto: ((error: BuildErrorEvent) => Promise<void>) | undefined
    secrets: ReadonlyMap<string, Uint8Array>
    credentials: Record<string, AuthConfig>
    sinks: ReadonlyMap<number, OutputSink>
    archive?: Readable | undefined
    archives?: readonly Readable[]
    /** Nothing is left for the daemon to read in place. */
    whole?: boolean
  },
): Promise<Outcome | undefined> {
  const { report, lookInto, whole, ...rest } = o
  let outcome: Outcome = { imageId: '', error: noResult }
  let begun = false
  try {
    for await (const event of context.client.images.buildWithEvents(request, rest)) {
      begun = true
      report(event)
      if (event.type === 'result') outcome = { imageId: event.imageId, result: event }
      else if (event.type === 'error') {
        outcome = { imageId: '', error: event }
        if (event.shell && lookInto) {
          await lookInto(event)
          // The daemon waits for us to go.
          break
        }
      }
    }
  } catch (error) {
    const statuses = whole ? [404, 405] : [400, 403, 404, 405]
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
  source: Exclude<Source, { kind: 'tar' }>,
): Pick<BuildQuery, 'context' | 'remote' | 'empty' | 'dockerfile' | 'dockerfileText'> {
  const text = source.text === undefined ? {} : { dockerfileText: source.text }
  if (source.kind === 'text') return { empty: true, dockerfile: 'Dockerfile', ...text }
  if (source.kind === 'remote') return { remote: source.url, dockerfile: source.dockerfile, ...text }
  const inside = relative(source.path, source.dockerfile)
  return {
    context: hostPath(source.path),
    dockerfile: inside.startsWith('..') || isAbsolute(inside) ? source.dockerfile : inside,
    ...(source.text !== undefined && { dockerfile: 'Dockerfile', ...text }),
  }
}

/** Docker's own call; its log is shown as one step. */
async function buildTar(
  context: Context,
  archive: Archive,
  common: Common & { credentials: Record<string, AuthConfig> },
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
  const { cacheFrom: sources = [], ...rest } = common
  const cacheFrom = sources.flatMap((each) => ('reference' in each ? [each.reference] : []))
  for await (const message of context.client.images.build(archive.stream, {
    ...rest,
    ...(cacheFrom.length > 0 && { cacheFrom }),
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
