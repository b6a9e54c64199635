import type { Outcome } from './send.ts'

const { renameSync, rmSync, writeFileSync } = process.getBuiltinModule('node:fs')

export type Metadata = Readonly<Record<string, unknown>>

/** What `--metadata-file` says of one build, under buildx's keys. */
export function metadataOf(outcome: Outcome): Metadata {
  const { response, build } = outcome.result ?? {}
  return {
    ...response,
    // buildx: builder, node and build; both of the former are the daemon itself.
    ...(build !== undefined && { 'buildx.build.ref': `default/default/${build}` }),
  }
}

/** Whole or not at all, keys in order as buildx has them. */
export function writeMetadata(path: string, metadata: Metadata): void {
  const sorted = Object.fromEntries(Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  const temporary = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(temporary, JSON.stringify(sorted, null, 2), { mode: 0o644 })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
