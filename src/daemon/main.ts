import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { serveDocker } from '../api/index.ts'
import { Engine, productVersion, type Config } from '../engine/index.ts'
import { lockFile } from '../host/flock.ts'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import { createLogger, type LeveledLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { placesOf } from './dockerd-name.ts'
import { parseFlags, type Flags } from './flags.ts'
import { helpText } from './help.ts'
import { checkHosts, listenAll } from './listen.ts'
import { serveMetrics } from './metrics-server.ts'
import type { RegistryConfig } from './registry-config.ts'
import type { RegistryService } from './registry-service.ts'
import { reloaded } from './reload.ts'
import { tellManager } from './service-manager.ts'
import { resolve, type TlsFiles } from './resolve.ts'
import { mergeSettings, parseConfigFile, settingsOfFlags, type Settings } from './settings.ts'
import { onSignals } from './signals.ts'

/** Milliseconds of grace for open requests once the engine has closed. */
const drainTime = 300

interface Setup {
  /** Of flags and file, as they were read. */
  readonly settings: Settings
  /** Reads the same flags and file again. */
  readonly reread: () => Settings
  readonly config: Config
  readonly tls: TlsFiles | undefined
  readonly registry: RegistryConfig | undefined
}

async function main(argv: readonly string[]): Promise<void> {
  const setup = configure(argv)
  if (!setup) return
  process.title = 'gantryd'
  // What the daemon makes is for root; sockets and shared files are opened up one by one.
  process.umask(0o022)
  const { config } = setup
  const log = createLogger({ level: config.logLevel, format: config.logFormat })
  process.on('uncaughtException', (error, origin) => {
    log.error('uncaught exception', { origin, error })
    process.exit(1)
  })
  if (process.getuid?.() !== 0)
    throw new EngineError('forbidden', 'gantryd needs root: it makes namespaces, mounts and networks')
  await serve(setup, log)
}

/** Flags and file to a checked configuration; undefined when help, version or --validate was all that was wanted. */
function configure(argv: readonly string[]): Setup | undefined {
  const flags = parseFlags(argv)
  const { program, configFile, defaults } = placesOf(process.env)
  if (flags.get('help') === true) return void process.stdout.write(helpText(program))
  if (flags.get('version') === true) return void process.stdout.write(`gantryd version ${productVersion}\n`)
  const path = String(flags.get('config-file') ?? configFile)
  const reread = (): Settings => {
    const file = parseConfigFile(path, readConfigFile(path, flags))
    return { ...defaults, ...mergeSettings(path, file, settingsOfFlags(flags)) }
  }
  const settings = reread()
  const setup = resolve(settings, process.env)
  if (flags.get('validate') === true) return void process.stdout.write('configuration OK\n')
  return { ...setup, settings, reread }
}

/** The default file need not exist; one that was named must. */
function readConfigFile(path: string, flags: Flags): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (hasCode(cause, 'ENOENT') && !flags.has('config-file')) return ''
    throw new EngineError('invalid', `unable to read the configuration file: ${messageOf(cause)}`, { cause })
  }
}

async function serve(setup: Setup, log: LeveledLogger): Promise<void> {
  const { config, tls, registry: registryConfig } = setup
  const op = background(log)
  if (config.oomScoreAdjust !== 0) adjustOomScore(config.oomScoreAdjust)
  await checkHosts(config)
  mkdirSync(config.dataRoot, { recursive: true, mode: 0o710 })
  const locked = lockFile(join(config.dataRoot, 'gantryd.lock'))
  if ('heldBy' in locked)
    throw new EngineError(
      'conflict',
      `data root ${config.dataRoot} is in use by another gantryd (pid ${locked.heldBy})`,
    )
  const stopping = Promise.withResolvers<NodeJS.Signals>()
  const onceUp = onSignals(log, stopping.resolve)
  if (config.pidFile !== '') writeFileSync(config.pidFile, `${process.pid}\n`)
  const engine = await Engine.open(op, config)
  const api = serveDocker(engine, log)
  let servers: Server[]
  let registry: RegistryService | undefined
  try {
    if (registryConfig) registry = await openRegistry(op, registryConfig)
    servers = await listenAll(op, api, { config, tls })
    if (config.metricsAddress !== '') servers.push(await serveMetrics(op, engine))
  } catch (error) {
    // Containers of an earlier daemon go on as if this one had never come; without any, nothing of it stays.
    if (engine.containers.live().length === 0) await engine.close(op)
    await registry?.close(op)
    throw error
  }
  const reload = reloader(setup, engine, log)
  onceUp({
    reload: () => {
      reload()
      if (registry) reloadRegistry(registry, log)
    },
    collect: () =>
      registry ? registry.collectNow() : log.info('there is no registry whose garbage could be collected'),
  })
  tellManager(log, 'READY=1')
  log.info('ready', { version: productVersion, ms: Math.round(performance.now()) })

  const signal = await stopping.promise
  log.info('stopping', { signal })
  tellManager(log, 'STOPPING=1')
  const closed = servers.map((server) => new Promise((done) => server.close(done)))
  await Promise.all([engine.close(op), registry?.close(op)])
  const drained = Promise.all(closed)
  for (const server of servers) server.closeIdleConnections()
  await Promise.race([drained, new Promise((done) => setTimeout(done, drainTime).unref())])
  await api.stop()
  for (const server of servers) server.closeAllConnections()
  if (config.pidFile !== '') rmSync(config.pidFile, { force: true })
  log.info('stopped')
  process.exit(0)
}

/** Before anything else runs: its programs and threads take it over. Containers have their own. */
function adjustOomScore(score: number): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', String(score))
  } catch (cause) {
    throw new EngineError('forbidden', `oom-score-adjust ${score}: ${messageOf(cause)}`, { cause })
  }
}

/** Loaded only where it is wanted. */
async function openRegistry(op: Op, config: RegistryConfig): Promise<RegistryService> {
  const { openRegistryService } = await import('./registry-service.ts')
  const service = await openRegistryService(op, config)
  op.log.info('serving a registry', { address: service.address, metrics: service.metricsAddress })
  return service
}

/** Takes over what has changed in the configuration; one that cannot be read changes nothing. */
function reloader({ settings, reread }: Setup, engine: Engine, log: LeveledLogger): () => void {
  let current = settings
  return () => {
    try {
      const next = reloaded(current, reread())
      const { config } = resolve(next.settings, process.env)
      current = next.settings
      log.level = config.logLevel
      engine.reconfigure(config)
      log.info('reloaded the configuration', { changed: next.changed })
      if (next.later.length > 0)
        log.warn('changed in the configuration, and holds from the next start', { keys: next.later })
    } catch (error) {
      log.error('the configuration is not reloaded: all is as it was', { error })
    }
  }
}

function reloadRegistry(registry: RegistryService, log: LeveledLogger): void {
  registry.reload(background(log)).then(
    () => log.info('reloaded: certificates and logins of the registry'),
    (error: unknown) => log.error('reload of the registry failed: all is as it was', { error }),
  )
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`gantryd: ${messageOf(error)}\n`)
  if (!(error instanceof EngineError)) process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`)
  process.exit(1)
}
