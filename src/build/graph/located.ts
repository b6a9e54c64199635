import { EngineError, hasCode } from '../../lib/errors.ts'
import { BuildError, type Range } from '../dockerfile/source.ts'
import type { Work } from '../solver/vertex.ts'
import type { Site } from './scope.ts'
import type { Tree } from './tree.ts'
import { MissingSource } from './works.ts'

/** Failures of the work get the instruction's place, or that of the word that is meant. */
export function located(work: Work<Tree>, site: Site, words?: ReadonlyMap<string, Range>): Work<Tree> {
  const locate = async <T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> => {
    try {
      return await run()
    } catch (cause) {
      if (signal.aborted || hasCode(cause, 'ABORT_ERR')) throw cause
      throw locatedError(cause, site, words)
    }
  }
  return {
    keys: work.keys.map((key) => (op, inputs, io) => locate(op.signal, () => key(op, inputs, io))),
    run: (op, inputs, io) => locate(op.signal, () => work.run(op, inputs, io)),
  }
}

function locatedError(cause: unknown, site: Site, words?: ReadonlyMap<string, Range>): unknown {
  if (!(cause instanceof EngineError) || cause instanceof BuildError) return cause
  const word = cause instanceof MissingSource ? words?.get(cause.pattern) : undefined
  const range = word ?? site.node.range
  return new BuildError(cause.kind, cause.message, { source: site.source, range, cause })
}
