import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { serveDocker } from '../api/index.ts'
import { Engine, productVersion, type Config } from '../engine/index.ts'
import { lockFile } from '../host/flock.ts'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import { createLogger, type Logger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { placesOf } from './dockerd-name.ts'
import { parseFlags, type Flags } from './flags.ts'
import { helpText } from './help.ts'
import { checkHosts, listenAll } from './listen.ts'
import { serveMetrics } from './metrics-server.ts'
import type { RegistryConfig } from './registry-config.ts'
import type { RegistryService } from './registry-service.ts'
import { tellManager } from './service-manager.ts'
import { resolve, type TlsFiles } from './resolve.ts'
import { mergeSettings, parseConfigFile, settingsOfFlags } from './settings.ts'

/** Milliseconds of grace for open requests once the engine has closed. */
const drainTime = 300

interface Setup {
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
  const file = parseConfigFile(path, readConfigFile(path, flags))
  const chosen = { ...defaults, ...mergeSettings(path, file, settingsOfFlags(flags)) }
  const setup = resolve(chosen, process.env)
  if (flags.get('validate') === true) return void process.stdout.write('configuration OK\n')
  return setup
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

async function serve({ config, tls, registry: registryConfig }: Setup, log: Logger): Promise<void> {
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
  const onReload = onSignals(log, stopping.resolve)
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
  if (registry) onReload(registry)
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

/**
 * The first signal asks for an orderly stop, the second ends the process at once. Returns what is to be called once there is
 * something that SIGHUP reloads, and SIGUSR2 collects.
 */
function onSignals(log: Logger, stop: (signal: NodeJS.Signals) => void): (registry: RegistryService) => void {
  let registry: RegistryService | undefined
  let count = 0
  const onSignal = (signal: NodeJS.Signals) => {
    count++
    if (count === 1) return stop(signal)
    log.warn('stopping at once', { signal })
    process.exit(1)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  // A terminal that goes away takes no daemon with it.
  process.on('SIGHUP', () => {
    if (!registry) return log.info('SIGHUP: nothing of the configuration can be reloaded')
    registry.reload(background(log)).then(
      () => log.info('reloaded: certificates and logins of the registry'),
      (error: unknown) => log.error('reload of the registry failed: all is as it was', { error }),
    )
  })
  process.on('SIGUSR2', () => {
    if (registry) registry.collectNow()
    else log.info('SIGUSR2: there is no registry whose garbage could be collected')
  })
  process.on('SIGPIPE', () => log.debug('SIGPIPE'))
  return (opened) => (registry = opened)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`gantryd: ${messageOf(error)}\n`)
  if (!(error instanceof EngineError)) process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`)
  process.exit(1)
}
