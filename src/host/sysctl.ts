import { readFileSync, writeFileSync } from 'node:fs'

/** Path form, since interface names may have dots: `net/ipv4/ip_forward`. Of this thread's network namespace for `net/`. */
export function readSysctl(name: string): string {
  return readFileSync(`/proc/sys/${name}`, 'utf8').trim()
}

/** Writes only a value that differs: /proc/sys may be read-only and already right. True when it was changed. */
export function writeSysctl(name: string, value: string): boolean {
  if (readSysctl(name) === value) return false
  writeFileSync(`/proc/sys/${name}`, value)
  return true
}
