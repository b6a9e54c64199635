import type { Limit } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { BuildEvent } from '../../wire/build.ts'
import { prepare, type Source } from '../build/context.ts'
import { flags, optionsOf, refuse, type Options } from '../build/flags.ts'
import { agentsOf, buildJob, type BuildJob } from '../build/job.ts'
import { metadataOf, type Metadata } from '../build/metadata.ts'
import { FailureLog, type Progress } from '../build/progress.ts'
import { runBuild } from '../build/send.ts'
import { ExitError, type Context } from '../command.ts'
import { parseFlags } from '../flags.ts'
import type { BakePlan } from './bake-plan.ts'
import { contextTargets } from './bake-plan.ts'
import type { Target } from './bake-target.ts'
import { TargetProgress } from './target-progress.ts'

const { statSync } = process.getBuiltinModule('node:fs')
const { isAbsolute, join, resolve } = process.getBuiltinModule('node:path')

/** What the command line says for all targets. */
export interface BakeOptions {
  readonly load: boolean
  readonly push: boolean
  /** Where secrets and arguments find their variables; the process's own without it. */
  readonly env?: NodeJS.ProcessEnv
  /** Further flags of `build`, for every target. */
  readonly flags?: readonly string[]
  /** Bounds how many are built at once. */
  readonly limit?: Limit
}

/**
 * Builds all targets side by side; the daemon does what they share once. A target that is a context of another is built
 * first. Returns what `--metadata-file` says of each.
 */
export async function bakeAll(
  context: Context,
  plan: BakePlan,
  o: BakeOptions & { progress: Progress },
): Promise<Record<string, Metadata>> {
  const requests = new Map([...plan.targets].map(([name, target]) => [name, requestOf(name, target, o)]))
  const isSource = new Set([...plan.targets.values()].flatMap(contextTargets))
  const ids = TargetProgress.ids()
  const running = new Map<string, Promise<{ imageId: string; metadata: Metadata }>>()
  const start = (name: string): Promise<{ imageId: string; metadata: Metadata }> => {
    const known = running.get(name)
    if (known) return known
    const target = plan.targets.get(name)
    const options = requests.get(name)
    if (!target || !options) throw new Error(`target ${name} is not planned`)
    const progress = new TargetProgress(o.progress, { name, ids, alone: plan.targets.size === 1 })
    const work = (async () => {
      const images = new Map<string, string>()
      for (const other of contextTargets(target)) images.set(other, (await start(other)).imageId)
      const { env } = o
      const one = { name, target, options, images, isSource: isSource.has(name), progress, env }
      try {
        const build = () => bakeOne(context, one)
        // A target has its turn when what it takes as contexts is there: none waits for another one while it holds a turn.
        return await (o.limit?.run(build) ?? build())
      } catch (error) {
        // One of many: which one cannot be had is told.
        if (!(error instanceof EngineError) || error.kind !== 'unsupported') throw error
        throw new EngineError('unsupported', `target ${name}: ${error.message}`, { cause: error })
      }
    })()
    running.set(name, work)
    return work
  }
  const names = [...plan.targets.keys()]
  const outcomes = await Promise.all(names.map(start))
  return Object.fromEntries(names.map((name, index) => [name, outcomes[index]?.metadata ?? {}]))
}

async function bakeOne(
  context: Context,
  o: {
    name: string
    target: Target
    options: Options
    images: ReadonlyMap<string, string>
    isSource: boolean
    progress: Progress
    env: NodeJS.ProcessEnv | undefined
  },
): Promise<{ imageId: string; metadata: Metadata }> {
  const { name, target, options } = o
  const source = await sourceOf(target, options)
  using agents = await agentsOf(options)
  const proxies = context.config.proxies(context.host)
  const job = withImages(await buildJob(options, agents, { ...(o.env && { env: o.env }), proxies }), o)
  const failure = new FailureLog()
  const outcome = await runBuild(context, source, job, (event: BuildEvent) => {
    failure.handle(event)
    o.progress.handle(event)
  })
  if (outcome.error) {
    const text = failure.describe(outcome.error, { repeat: true }).trimEnd()
    throw new ExitError(1, text.replace('ERROR: failed to build:', `ERROR: target ${name}:`))
  }
  return { imageId: outcome.imageId, metadata: metadataOf(outcome) }
}

/** Contexts that are targets become their images; a target that is one has to be an image here. */
function withImages(
  job: BuildJob,
  o: { target: Target; images: ReadonlyMap<string, string>; isSource: boolean },
): BuildJob {
  const contexts = { ...job.contexts }
  for (const [name, place] of Object.entries(o.target.contexts ?? {})) {
    if (!place?.startsWith('target:')) continue
    const reference = o.images.get(place.slice('target:'.length))
    if (reference !== undefined) contexts[name] = { kind: 'image', reference }
  }
  const { outputs } = job
  const stored =
    outputs.length === 0 ||
    outputs.some(({ wire, dest }) => wire.type === 'image' || (wire.type === 'docker' && !dest))
  if (!o.isSource || stored) return { ...job, contexts }
  const image = { wire: { type: 'image', attrs: {}, sent: false } }
  return { ...job, contexts, outputs: [...outputs, image] }
}

/** Where a target's context is. */
export async function sourceOf(target: Target, options: Options): Promise<Source> {
  const where = withoutScheme(target.context ?? '.')
  const text = target['dockerfile-inline']
  if (text === undefined) return await prepare(where, options)
  if (statSync(where, { throwIfNoEntry: false })?.isDirectory())
    return { kind: 'directory', path: resolve(where), dockerfile: 'Dockerfile', text }
  return { kind: 'remote', url: where, dockerfile: 'Dockerfile', text }
}

/** The target as the flags of `build`, which check and refuse all they do for a person. */
export function requestOf(name: string, target: Target, o: BakeOptions): Options {
  if (target.call !== undefined && target.call !== '' && target.call !== 'build')
    throw new EngineError(
      'unsupported',
      `target ${name}: call=${target.call} is not supported by bake: use build --call`,
    )
  const argv = [...argumentsOf(target), ...(o.flags ?? [])]
  if (o.load) argv.push('--load')
  if (o.push) argv.push('--push')
  try {
    const { values, given } = parseFlags(flags, argv, { interspersed: true })
    const options = optionsOf(values)
    refuse(options, given, values)
    return options
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new EngineError('invalid', `target ${name}: ${why}`, { cause: error })
  }
}

function argumentsOf(target: Target): string[] {
  const argv: string[] = []
  const lists = {
    annotation: target.annotations,
    attest: target.attest,
    tag: target.tags,
    'cache-from': target['cache-from'],
    'cache-to': target['cache-to'],
    secret: target.secret,
    ssh: target.ssh,
    platform: target.platforms,
    output: target.output,
    'no-cache-filter': target['no-cache-filter'],
    ulimit: target.ulimits,
    allow: target.entitlements,
  }
  for (const [flag, values] of Object.entries(lists))
    for (const value of values ?? []) argv.push(`--${flag}=${value}`)
  const pairs = { 'build-arg': target.args, label: target.labels }
  for (const [flag, values] of Object.entries(pairs))
    for (const [key, value] of Object.entries(values ?? {}))
      if (value !== null) argv.push(`--${flag}=${key}=${value}`)
  for (const [key, value] of Object.entries(target['extra-hosts'] ?? {}))
    for (const address of value?.split(',') ?? []) argv.push(`--add-host=${key}:${address}`)
  for (const [key, value] of Object.entries(target.contexts ?? {}))
    if (value !== null && !value.startsWith('target:'))
      argv.push(`--build-context=${key}=${withoutScheme(value)}`)
  const texts = { target: target.target, network: target.network, 'shm-size': target['shm-size'] }
  for (const [flag, value] of Object.entries(texts)) if (value) argv.push(`--${flag}=${value}`)
  if (target.pull) argv.push('--pull')
  if (target['no-cache']) argv.push('--no-cache')
  argv.push(`--file=${dockerfileOf(target)}`)
  return argv
}

/** Relative to its context, where that is a directory. */
function dockerfileOf(target: Target): string {
  const file = target.dockerfile ?? 'Dockerfile'
  if (file.startsWith('cwd://')) return withoutScheme(file)
  const context = withoutScheme(target.context ?? '.')
  const local = statSync(context, { throwIfNoEntry: false })?.isDirectory() ?? false
  return local && !isAbsolute(file) ? join(context, file) : file
}

const withoutScheme = (place: string): string => (place.startsWith('cwd://') ? place.slice(6) || '.' : place)
