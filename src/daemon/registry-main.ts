/** The registry server as a process of its own: `gantry registry serve`. */
import { readFileSync } from 'node:fs'
import packageJson from '../../package.json' with { type: 'json' }
import { EngineError, messageOf } from '../lib/errors.ts'
import { createLogger, type Logger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { proxiesOf } from '../registry/index.ts'
import { parseFlags } from './flags.ts'
import { resolveRegistry, type RegistryConfig } from './registry-config.ts'
import { registryFlags } from './registry-flags.ts'
import { openRegistryService } from './registry-service.ts'
import { mergeRegistrySettings, parseRegistryFile, registrySettingsOfFlags } from './registry-settings.ts'
import { tellManager } from './service-manager.ts'

async function main(argv: readonly string[]): Promise<void> {
  const config = configure(argv)
  process.title = 'gantry-registry'
  // Images may be anybody's secret.
  process.umask(0o077)
  const log = createLogger({ level: config.logLevel })
  process.on('uncaughtException', (error, origin) => {
    log.error('uncaught exception', { origin, error })
    process.exit(1)
  })
  const op = background(log)
  const stopping = Promise.withResolvers<NodeJS.Signals>()
  onStop(log, stopping.resolve)
  const service = await openRegistryService(op, config)
  process.on('SIGHUP', () => {
    service.reload(op).then(
      () => log.info('reloaded: certificates and the files of logins'),
      (error: unknown) => log.error('reload failed: all is as it was', { error }),
    )
  })
  process.on('SIGUSR2', () => service.collectNow())
  const scheme = config.tls ? 'https' : 'http'
  log.info('ready', {
    version: packageJson.version,
    address: `${scheme}://${service.address}`,
    ...(service.metricsAddress !== undefined && { metrics: `http://${service.metricsAddress}/metrics` }),
    storage: config.storage.kind === 'files' ? config.storage.root : config.storage.location,
  })
  tellManager(log, 'READY=1')
  log.info('stopping', { signal: await stopping.promise })
  tellManager(log, 'STOPPING=1')
  await service.close(op)
  log.info('stopped')
  process.exit(0)
}

function configure(argv: readonly string[]): RegistryConfig {
  const flags = parseFlags(argv, registryFlags)
  const given = registrySettingsOfFlags(flags)
  const path = flags.get('config')
  const settings =
    path === undefined ? given : mergeRegistrySettings(String(path), readConfig(String(path)), given)
  return resolveRegistry(settings, {
    storage: '/var/lib/gantry-registry',
    proxies: proxiesOf(process.env),
  })
}

function readConfig(path: string): ReturnType<typeof parseRegistryFile> {
  let text
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new EngineError('invalid', `unable to read the configuration file: ${messageOf(cause)}`, { cause })
  }
  return parseRegistryFile(path, text)
}

/** The first signal asks for an orderly stop, the second ends the process at once. */
function onStop(log: Logger, stop: (signal: NodeJS.Signals) => void): void {
  let count = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      count++
      if (count === 1) return stop(signal)
      log.warn('stopping at once', { signal })
      process.exit(1)
    })
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`gantry registry serve: ${messageOf(error)}\n`)
  if (!(error instanceof EngineError)) process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`)
  process.exit(1)
}
