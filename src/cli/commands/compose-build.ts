import type { Project } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { parseBinarySize } from '../../lib/units.ts'
import type { Target } from '../bake/bake-target.ts'
import { command, ExitError, type Context } from '../command.ts'
import { buildTargets, servicesToBuild, type BuildOptions } from '../compose/build-plan.ts'
import { buildDefaults, buildServices } from '../compose/build-services.ts'
import { openProject, warnOnce } from '../compose/open-project.ts'
import { withProgress } from '../compose/progress.ts'
import { readPairs, toMap } from '../env.ts'
import { composeFlags } from './compose.ts'
import { bool, list, string, value } from '../flags.ts'

const flags = {
  'build-arg': list('Set build-time variables for services', { kind: 'stringArray' }),
  builder: string('Set builder to use: there is one, "default"'),
  check: bool('Check build configuration'),
  compress: bool('', { hidden: true }),
  'force-rm': bool('', { hidden: true, initial: true }),
  memory: value<number | undefined>(
    'bytes',
    'Set memory limit for the build container',
    undefined,
    (text) => parseBinarySize(text),
    { short: 'm' },
  ),
  'no-cache': bool('Do not use cache when building the image'),
  'no-rm': bool('', { hidden: true }),
  parallel: bool('', { hidden: true, initial: true }),
  print: bool('Print equivalent bake file'),
  progress: string('', { hidden: true }),
  provenance: string('Add a provenance attestation'),
  pull: bool('Always attempt to pull a newer version of the image'),
  push: bool('Push service images'),
  quiet: bool('Suppress the build output', { short: 'q' }),
  sbom: string('Add a SBOM attestation'),
  ssh: string(
    "Set SSH authentications used when building service images. (use 'default' for using your default SSH Agent)",
  ),
  'with-dependencies': bool('Also build dependencies (transitively)'),
}

type Flags = { readonly [K in keyof typeof flags]: (typeof flags)[K]['initial'] }

export const composeBuild = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags,
  arguments: [0, Infinity],
  async run(context, options, names) {
    refuse(options)
    const all = await openProject(context, { services: names, allResources: true })
    const wanted = names.length === 0 || options['with-dependencies'] ? [...all.services.keys()] : [...names]
    const services = servicesToBuild(all, wanted)
    if (services.size === 0) {
      warnOnce(context)('No services to build')
      return 0
    }
    const build = optionsOf(options, all)
    if (options.print) {
      context.out(bakeFile(buildTargets(all, services, build)))
      return 0
    }
    if (options.check) return await checkAll(context, buildTargets(all, services, build))
    const built = await buildServices(context, all, wanted, {
      ...build,
      quiet: options.quiet || options.progress === 'quiet',
      flags: options.memory === undefined ? [] : [`--memory=${options.memory}`],
    })
    // A dry run has said so.
    if (composeFlags(context).dryRun) return 0
    await withProgress(context, { title: 'Building', quiet: options.quiet }, (report) => {
      for (const image of built.values()) report({ id: image, status: 'done', text: 'Built' })
      return Promise.resolve()
    })
    return 0
  },
})

function refuse(options: Flags): void {
  const no = (what: string) => new EngineError('unsupported', what)
  if (options.builder !== '' && options.builder !== 'default')
    throw new ExitError(1, `ERROR: no builder "${options.builder}" found`)
  if (options.compress) throw no('--compress: contexts are not sent compressed')
  if (options['no-rm']) throw no('--no-rm: build steps leave no containers to keep')
  if (!options.parallel) throw no('--parallel=false: services are built side by side')
  if (!['', 'auto', 'plain', 'tty', 'quiet'].includes(options.progress))
    throw new EngineError('invalid', `unsupported --progress value ${JSON.stringify(options.progress)}`)
}

function optionsOf(options: Flags, project: Project): BuildOptions {
  const environment = Object.fromEntries(project.environment)
  return {
    ...buildDefaults(project),
    args: toMap(readPairs([], options['build-arg'], environment)),
    ssh: options.ssh === '' ? [] : [options.ssh],
    noCache: options['no-cache'],
    pull: options.pull,
    push: options.push,
    provenance: options.provenance,
    sbom: options.sbom,
  }
}

/** What bake would be given to do the same; names in order. */
function bakeFile(targets: ReadonlyMap<string, Target>): string {
  const sorted = [...targets].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const target = Object.fromEntries(sorted)
  const group = { default: { targets: sorted.map(([name]) => name) } }
  return `${JSON.stringify({ group, target }, null, 2)}\n`
}

/** The checks of one Dockerfile after the other. Returns the worst exit code. */
async function checkAll(context: Context, targets: ReadonlyMap<string, Target>): Promise<number> {
  const [{ requestOf, sourceOf }, { check }] = await Promise.all([
    import('../bake/bake-build.ts'),
    import('../build/check.ts'),
  ])
  let code = 0
  for (const [name, target] of targets) {
    const options = requestOf(name, target, { load: false, push: false })
    const source = await sourceOf(target, options)
    const call = { method: 'lint', json: false, error: false, ignoreStatus: false } as const
    code = Math.max(code, await check(context, call, { where: target.context ?? '.', options, source }))
  }
  return code
}
