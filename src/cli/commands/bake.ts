import { readDefinitions } from '../bake/bake-file.ts'
import { loadBakeFiles } from '../bake/bake-load.ts'
import { parseOverride, type Override } from '../bake/bake-overrides.ts'
import { planBake, type BakePlan } from '../bake/bake-plan.ts'
import { HclError } from '../bake/hcl-syntax.ts'
import { writeMetadata } from '../build/metadata.ts'
import { makeProgress } from '../build/make-progress.ts'
import { known } from './buildx.ts'
import { command, ExitError, type Context } from '../command.ts'
import { bool, list, string } from '../flags.ts'
import { EngineError } from '../../lib/errors.ts'

const flags = {
  allow: list('', { hidden: true }),
  builder: string('Override the configured builder instance: there is one, "default"'),
  call: string('', { hidden: true }),
  check: bool('', { hidden: true }),
  debug: bool('Enable debug logging', { short: 'D' }),
  file: list('Build definition file', { short: 'f', kind: 'stringArray' }),
  list: string('List targets or variables'),
  load: bool('Shorthand for "--set=*.output=type=docker"'),
  'metadata-file': string('Write build result metadata to a file'),
  'no-cache': bool('Do not use cache when building the image'),
  print: bool('Print the options without building'),
  progress: string('Set type of progress output ("auto", "plain", "tty", "rawjson")', { initial: 'auto' }),
  provenance: string('Shorthand for "--set=*.attest=type=provenance"'),
  pull: bool('Always attempt to pull all referenced images'),
  push: bool('Shorthand for "--set=*.output=type=registry"'),
  sbom: string('Shorthand for "--set=*.attest=type=sbom"'),
  set: list('Override target value (e.g., "targetpattern.key=value")', { kind: 'stringArray' }),
}

export const bake = command({
  usage: '[OPTIONS] [TARGET...]',
  arguments: [0, Infinity],
  flags,
  async run(context, options, names, given) {
    if (given.has('call') || options.check)
      throw new EngineError('unsupported', '--call and --check are not supported by bake: use build --check')
    if (given.has('allow'))
      throw new EngineError('unsupported', '--allow: extra privileges for build steps are not supported')
    known(options.builder)
    const [first] = names
    if (first !== undefined && /^(?:https?|git|ssh):\/\/|^git@/.test(first))
      throw new EngineError('unsupported', `bake files of a remote repository are not supported: ${first}`)
    const plan = readPlan(context, options, names)
    if (typeof plan === 'string') {
      context.out(plan)
      return 0
    }
    if (options.print) {
      context.out(`${JSON.stringify(shown(plan), null, 2)}\n`)
      return 0
    }
    // Quiet is what nobody asks of bake.
    const progress = await makeProgress({ progress: options.progress, quiet: false, debug: context.debug })
    let metadata
    try {
      const { bakeAll } = await import('../bake/bake-build.ts')
      metadata = await bakeAll(context, plan, { load: options.load, push: options.push, progress })
    } finally {
      progress.close()
    }
    if (options['metadata-file'] !== '') writeMetadata(options['metadata-file'], metadata)
    return 0
  },
})

type Options = { readonly [K in keyof typeof flags]: (typeof flags)[K]['initial'] }

/** A text when that is all that was asked for. */
function readPlan(context: Context, options: Options, names: readonly string[]): BakePlan | string {
  try {
    const files = loadBakeFiles(options.file, (text) => context.err(text))
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch
    const definitions = readDefinitions(files, {
      env: process.env,
      builtins: new Map([
        ['BAKE_CMD_CONTEXT', 'cwd://'],
        ['BAKE_LOCAL_PLATFORM', `linux/${architecture}`],
      ]),
    })
    if (options.list !== '') return listed(options.list, definitions)
    const overrides = [...shorthands(options), ...options.set.map(parseOverride)]
    return planBake(definitions, { names, overrides, env: process.env })
  } catch (error) {
    if (error instanceof HclError) throw new ExitError(1, `ERROR: ${error.message}`)
    throw error
  }
}

function listed(what: string, definitions: ReturnType<typeof readDefinitions>): string {
  if (what !== 'targets')
    throw new EngineError('unsupported', `--list ${what} is not supported: only targets can be listed`)
  const names = [...definitions.groups, ...definitions.targets].map((each) => each.name)
  return [...new Set(names)].map((name) => `${name}\n`).join('')
}

function shorthands(options: Options): Override[] {
  const all: Override[] = []
  const add = (key: string, value: string) =>
    all.push({ pattern: '*', key, name: undefined, value, append: key === 'attest' })
  if (options['no-cache']) add('no-cache', 'true')
  if (options.pull) add('pull', 'true')
  if (options.provenance !== '') add('attest', attestation('provenance', options.provenance))
  if (options.sbom !== '') add('attest', attestation('sbom', options.sbom))
  return all
}

function attestation(type: string, value: string): string {
  if (value === 'true') return `type=${type}`
  return value === 'false' ? `type=${type},disabled=true` : `type=${type},${value}`
}

/** As `--print` shows it: names in order. */
function shown(plan: BakePlan): object {
  const sorted = (entries: Iterable<readonly [string, unknown]>) =>
    Object.fromEntries([...entries].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  const group = Object.entries(plan.groups).map(([name, targets]) => [name, { targets }] as const)
  const target = [...plan.targets].map(([name, fields]) => {
    const whole = Object.entries(fields).map(([key, value]: [string, unknown]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? ([key, sorted(Object.entries(value).filter(([, each]) => each !== null))] as const)
        : ([key, value] as const),
    )
    return [name, Object.fromEntries(whole)] as const
  })
  return { ...(group.length > 0 && { group: sorted(group) }), target: sorted(target) }
}
