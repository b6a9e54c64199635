import type { HostPath } from '../../wire/build.ts'

const { statSync } = process.getBuiltinModule('node:fs')

/** A place that a daemon on this host can find, and tell from another of the same name. */
export function hostPath(path: string): HostPath {
  const { dev, ino } = statSync(path, { bigint: true })
  return { path, dev: String(dev), ino: String(ino) }
}
