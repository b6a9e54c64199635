import { isDeepStrictEqual } from 'node:util'
import type { Settings } from './settings.ts'

/** Keys that a running daemon takes over, as dockerd does, and `log-level`. */
export const reloadable = [
  'debug',
  'log-level',
  'labels',
  'live-restore',
  'shutdown-timeout',
  'registry-mirrors',
  'insecure-registries',
  'max-concurrent-downloads',
  'max-concurrent-uploads',
  'max-download-attempts',
] as const satisfies readonly (keyof Settings)[]

/** What a reload comes to: the settings that hold from now on, and what differs from before, by key. */
export interface Reload {
  readonly settings: Settings
  readonly changed: readonly string[]
  /** Differs too, and holds from the next start. */
  readonly later: readonly string[]
}

/** Takes of `next` what a running daemon can take over; everything else stays as it is in `current`. */
export function reloaded(current: Settings, next: Settings): Reload {
  const keys = [...new Set([...Object.keys(current), ...Object.keys(next)])] as (keyof Settings)[]
  const differing = keys.filter((key) => !isDeepStrictEqual(current[key], next[key])).toSorted()
  const now = (key: string) => (reloadable as readonly string[]).includes(key)
  const taken = (from: Settings, wanted: (key: string) => boolean) =>
    Object.fromEntries(Object.entries(from).filter(([key]) => wanted(key)))
  return {
    settings: { ...taken(current, (key) => !now(key)), ...taken(next, now) },
    changed: differing.filter(now),
    later: differing.filter((key) => !now(key)),
  }
}
