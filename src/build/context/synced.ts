import { cleanPath, type IgnorePattern } from '../../lib/ignore.ts'
import type { Op } from '../../lib/op.ts'
import { humanSize } from '../../lib/units.ts'
import type { SyncSource } from '../request.ts'
import type { Io } from '../solver/vertex.ts'
import { splitBelow } from './below.ts'
import type { KeptContext } from './kept-contexts.ts'
import type { Scan } from './scan.ts'

/** Brings what is wanted somewhere, and scans it there: by `scan`, unless it is known what that would give. */
export type Fetch = (
  op: Op,
  o: { wanted: readonly string[]; io: Io; scan: () => Promise<Scan> },
) => Promise<Scan>

/** Brings what is wanted of a client’s directory into the copy that is kept here. */
export function fetchInto(kept: KeptContext, source: SyncSource, ignore: readonly IgnorePattern[]): Fetch {
  const excludes = ignore.map(({ pattern, exception }) => (exception ? `!${pattern}` : pattern))
  return async (op, { wanted, io, scan }) => {
    const paths = followPaths(wanted)
    const bytes = await kept.sync((tree) => source.fetch(op, tree, { excludes, ...(paths && { paths }) }))
    io.status(`transferring context: ${humanSize(bytes)}`)()
    return await kept.scan(JSON.stringify([wanted, excludes]), scan)
  }
}

/** The paths that hold all that is wanted; undefined when that may be anything. */
function followPaths(wanted: readonly string[]): string[] | undefined {
  const paths = new Set<string>()
  for (const pattern of wanted) {
    const parts = cleanPath(`/${splitBelow(pattern).join('/')}`)
      .slice(1)
      .split('/')
    // The other side knows no `**`.
    const end = parts.findIndex((part) => part.includes('**'))
    const path = (end < 0 ? parts : parts.slice(0, end)).join('/')
    if (path === '') return undefined
    paths.add(path)
  }
  return [...paths].sort()
}
