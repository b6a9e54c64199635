import type { Readable } from 'node:stream'
import { DaemonError, parseHost } from '../../client/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { BuildErrorEvent, BuildEvent, BuildQuery } from '../../wire/build.ts'
import type { ProgressMessage } from '../../wire/image.ts'
import type { Context } from '../command.ts'
import { readPairs, toMap } from '../env.ts'
import type { Source } from './context.ts'
import type { Options } from './flags.ts'

const { statSync } = process.getBuiltinModule('node:fs')
const { isAbsolute, relative } = process.getBuiltinModule('node:path')

export interface Outcome {
  readonly imageId: string
  readonly error?: BuildErrorEvent
}

/** Builds in the way that the daemon can: from the directory in place, else from a tar. */
export async function runBuild(
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
  const module = await import('./secrets.ts')
  return module.readSecrets(flags, process.env)
}

type Common = Omit<BuildQuery, 'context' | 'dockerfile' | 'dockerfileText'>
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
