/**
 * The engine: every feature built from one frozen configuration, reconciled with the kernel at boot, and shut down in
 * order. Protocols are served from it; it knows none of them.
 */
export { Engine } from './engine.ts'
export type { DiskUsage } from './disk-usage.ts'
export { EventLog } from './events.ts'
export type { Config } from './config.ts'
export { goArch } from './info.ts'
export { productVersion } from './version.ts'
export type { Pruned } from './prune.ts'
