import type { Readable } from 'node:stream'
import { DaemonError, parseHost, type OutputSink } from '../../client/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { BuildErrorEvent, BuildEvent, BuildQuery, BuildResultEvent } from '../../wire/build.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import type { AuthConfig } from '../../wire/registry.ts'
import type { Context } from '../command.ts'
import type { Source } from './context.ts'
import type { BuildJob, Common } from './job.ts'

const { statSync } = process.getBuiltinModule('node:fs')
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
  const { secrets, outputs } = job
  const wire = outputs.map((output) => output.wire)
  const common: Omit<BuildQuery, 'dockerfile'> = { ...job.common, ...(wire.length > 0 && { outputs: wire }) }
  using sinks = outputs.some((output) => output.dest) ? await openSinks(context, outputs) : noSinks
  const credentials = await credentialsOf(context)
  const o = { report, lookInto, secrets, credentials, sinks: sinks.byIndex }
  if (source.kind === 'directory' && parseHost(context.host).kind === 'unix') {
    const outcome = await buildWithEvents(context, { ...common, ...inPlace(source) }, o)
    if (outcome) return outcome
  }
  // A stream can be sent once: whether the daemon knows our call has to be known before.
  if (source.kind !== 'tar' || (await isGantry(context))) {
    const { stream, dockerfile } = await archiveOf(source)
    const outcome = await buildWithEvents(context, { ...common, dockerfile }, { ...o, archive: stream })
    if (outcome) return outcome
  }
  refuseForDocker(job)
  return buildTar(context, await archiveOf(source), { ...job.common, credentials }, report)
}

/** The daemon asks registries in our name: which of them, only the Dockerfile tells. */
async function credentialsOf(context: Context): Promise<Record<string, AuthConfig>> {
  const { Credentials } = await import('../credentials.ts')
  return await Credentials.open(context.config.directory).all()
}

const noSinks = { byIndex: new Map<number, OutputSink>(), [Symbol.dispose]() {} }

async function openSinks(context: Context, outputs: BuildJob['outputs']) {
  const { Sinks } = await import('./sinks.ts')
  return new Sinks(outputs, (name) =>
    context.err(`WARNING: ${name} was left out: it is a device or a pipe\n`),
  )
}

/** Docker's own call takes less than ours. */
function refuseForDocker({ common, secrets, outputs }: BuildJob): void {
  const asked: Readonly<Record<string, boolean>> = {
    secret: secrets.size > 0,
    output: outputs.some(({ wire }) => wire.type !== 'docker' && wire.type !== 'image') || outputs.length > 1,
    push: outputs.some(({ wire }) => wire.attrs['push'] !== undefined),
    'add-host': common.addHosts !== undefined,
    ulimit: common.ulimits !== undefined,
    'shm-size': common.shmSize !== undefined,
    'cgroup-parent': common.cgroupParent !== undefined,
    'memory and --cpu': common.resources !== undefined,
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
    lookInto: ((error: BuildErrorEvent) => Promise<void>) | undefined
    secrets: ReadonlyMap<string, Uint8Array>
    credentials: Record<string, AuthConfig>
    sinks: ReadonlyMap<number, OutputSink>
    archive?: Readable
  },
): Promise<Outcome | undefined> {
  const { report, lookInto, archive, ...rest } = o
  let outcome: Outcome = { imageId: '', error: noResult }
  let begun = false
  try {
    for await (const event of context.client.images.buildWithEvents(request, { archive, ...rest })) {
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
