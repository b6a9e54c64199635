import os from 'node:os'
import type { Config } from './config.ts'

/** What docker's event `reload` of a daemon tells: the settings that hold now, values other than text as JSON. */
export const reloadAttributes = (config: Config): Record<string, string> => ({
  name: os.hostname(),
  debug: String(config.debug),
  labels: JSON.stringify(config.labels),
  'live-restore': String(config.liveRestore),
  'shutdown-timeout': String(config.shutdownTimeout),
  'registry-mirrors': JSON.stringify(config.registries.mirrors),
  'insecure-registries': JSON.stringify(config.registries.insecure),
  'max-concurrent-downloads': String(config.maxDownloads),
  'max-concurrent-uploads': String(config.maxUploads),
  'max-download-attempts': String(config.registries.attempts),
})
