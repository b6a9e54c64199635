import type { Project } from '../../compose/index.ts'
import { command, type Context } from '../command.ts'
import { AttachedUp } from '../compose/attached-up.ts'
import { bringUp } from '../compose/bring-up.ts'
import { withDeadline } from '../compose/converge.ts'
import { LogPrinter } from '../compose/log-printer.ts'
import { agreeToRemote } from '../compose/remote-consent.ts'
import { convergeFlags } from '../compose/up-flags.ts'
import { bool, int, list, string, type Values } from '../flags.ts'
import { coloured } from './compose-logs.ts'
import { composeFlags } from './compose.ts'
import { isTrueVariable } from '../compose/true-variable.ts'

const flags = {
  'abort-on-container-exit': bool('Stops all containers if any container was stopped. Incompatible with -d'),
  'abort-on-container-failure': bool(
    'Stops all containers if any container exited with failure. Incompatible with -d',
  ),
  attach: list('Restrict attaching to the specified services. Incompatible with --attach-dependencies.', {
    kind: 'stringArray',
  }),
  'attach-dependencies': bool('Automatically attach to log output of dependent services'),
  detach: bool('Detached mode: Run containers in the background', { short: 'd' }),
  'exit-code-from': string(
    'Return the exit code of the selected service container. Implies --abort-on-container-exit',
  ),
  menu: bool(
    'Enable interactive shortcuts when running attached. Incompatible with --detach. Can also be enable/disable by setting COMPOSE_MENU environment var.',
  ),
  'no-attach': list('Do not attach (stream logs) to the specified services', { kind: 'stringArray' }),
  'no-color': bool('Produce monochrome output'),
  'no-log-prefix': bool("Don't print prefix in logs"),
  'no-start': bool("Don't start the services after creating them"),
  'renew-anon-volumes': bool(
    'Recreate anonymous volumes instead of retrieving data from the previous containers',
    { short: 'V' },
  ),
  rolling: bool(
    'Start new containers before those they replace go, healthy first; ports and names move without a failed request',
  ),
  'drain-timeout': int(
    'Seconds that connections to a replaced container have to end by themselves (--rolling)',
    {
      initial: 10,
    },
  ),
  timeout: int(
    'Use this timeout in seconds for container shutdown when attached or when containers are already running',
    { short: 't' },
  ),
  timestamps: bool('Show timestamps'),
  wait: bool('Wait for services to be running|healthy. Implies detached mode.'),
  'wait-timeout': int('Maximum duration in seconds to wait for the project to be running|healthy'),
  watch: bool('Watch source code and rebuild/refresh containers when files are updated.', { short: 'w' }),
  ...convergeFlags,
}

type Options = Values<typeof flags>

export const composeUp = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags,
  arguments: [0, Infinity],
  run: async (context, options, services, given) => {
    check(options)
    await agreeToRemote(context, options)
    const common = {
      ...options,
      start: !options['no-start'],
      timeout: given.has('timeout') ? options.timeout : undefined,
      rolling: options.rolling ? { drain: options['drain-timeout'] } : undefined,
    }
    if (!isDetached(options) && common.start) {
      if (!composeFlags(context).dryRun) return attached(context, { services, options, common })
      await bringUp(context, services, { ...common, start: false })
      context.out("end of 'compose up' output, interactive run is not supported in dry-run mode\n")
      return 0
    }
    await withDeadline(options.wait ? options['wait-timeout'] : 0, (signal) =>
      bringUp(context, services, { ...common, wait: options.wait, ...(signal && { signal }) }),
    )
    return 0
  },
})

function isDetached(o: Options): boolean {
  return o.detach || o.wait
}

/** Docker compose's texts. */
function check(o: Options): void {
  const cascade = o['abort-on-container-exit'] || o['abort-on-container-failure']
  const attaches =
    o.watch || o.attach.length > 0 || o['attach-dependencies'] || cascade || o['exit-code-from'] !== ''
  if (o['abort-on-container-exit'] && o['abort-on-container-failure'])
    throw new Error('--abort-on-container-failure cannot be combined with --abort-on-container-exit')
  if (o.wait && attaches)
    throw new Error(
      '--wait cannot be combined with --abort-on-container-exit, --attach or --attach-dependencies',
    )
  if (o.detach && attaches)
    throw new Error(
      '--detach cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach, --attach-dependencies or --watch',
    )
  if (o.detach && o.menu) throw new Error('--detach cannot be combined with --menu')
  if (o['attach-dependencies'] && o.attach.length > 0)
    throw new Error('cannot combine --attach and --attach-dependencies')
}

async function attached(
  context: Context,
  {
    services,
    options,
    common,
  }: {
    services: readonly string[]
    options: Options
    common: Parameters<typeof bringUp>[2]
  },
): Promise<number> {
  let project: Project | undefined
  const up = new AttachedUp(context, {
    printer: new LogPrinter({
      colour: !options['no-color'] && coloured(context),
      prefix: !options['no-log-prefix'],
      timestamps: options.timestamps,
    }),
    isShown: (service) => isShown(service, { project, services, options }),
    cascade:
      options['abort-on-container-exit'] || options['exit-code-from'] !== ''
        ? 'stop'
        : options['abort-on-container-failure']
          ? 'fail'
          : 'ignore',
    exitCodeFrom: options['exit-code-from'],
    timeout: common.timeout,
  })
  using _signals = up.listen()
  try {
    await bringUp(context, services, {
      ...common,
      exitCodeFrom: options['exit-code-from'],
      signal: up.signal,
      onMade: async (made) => {
        project = made.project
        await up.attach(made)
      },
    })
  } catch (error) {
    if (up.signal.aborted) return await up.ended()
    await up.giveUp()
    throw error
  }
  await using _extras = await openExtras(context, { up, project, services, options })
  // Awaited here: the signals are listened to until then.
  return await up.ended()
}

/** `--watch` and the keys of `--menu`; both end with what they belong to. */
async function openExtras(
  context: Context,
  o: { up: AttachedUp; project: Project | undefined; services: readonly string[]; options: Options },
): Promise<AsyncDisposable> {
  const { project, options } = o
  const menu = (options.menu || isTrueVariable('COMPOSE_MENU')) && process.stdin.isTTY && process.stdout.isTTY
  if (!project || (!options.watch && !menu)) return { [Symbol.asyncDispose]: () => Promise.resolve() }
  const { UpExtras } = await import('../compose/up-extras.ts')
  return new UpExtras(context, { up: o.up, project, services: o.services, watch: options.watch, menu })
}

function isShown(
  name: string,
  o: { project: Project | undefined; services: readonly string[]; options: Options },
): boolean {
  const { attach, 'attach-dependencies': dependencies, 'no-attach': hidden } = o.options
  if (hidden.includes(name)) return false
  if (attach.length > 0) return attach.includes(name)
  if (o.services.length > 0 && !dependencies && !o.services.includes(name)) return false
  return o.project?.services.get(name)?.attach !== false
}
