import type { Op } from '../../lib/op.ts'
import type { IgnorePattern } from '../../lib/ignore.ts'
import type { Works } from '../graph/works.ts'
import type { Io } from '../solver/vertex.ts'
import { copyWork } from './copy.ts'
import { runWork } from './run.ts'
import type { Tools } from './tools.ts'
import { workdirWork } from './workdir.ts'

/** Where the build context is and how it is read. */
export interface ContextSource {
  readonly root: string
  readonly ignore: readonly IgnorePattern[]
  /** Brings there what is wanted; absent: everything is there. */
  readonly fetch?: (op: Op, wanted: readonly string[], io: Io) => Promise<void>
  /** Where its file hashes are kept; none for contexts that are gone after the build. */
  readonly indexFile?: string
}

/** The real work: on snapshots, with the runtime and the network. */
export function makeWorks(tools: Tools, context: ContextSource): Works {
  const scan = (op: Op, wanted: readonly string[]) =>
    tools.scanner.scan(
      op,
      { root: context.root, wanted, ignore: context.ignore },
      context.indexFile === undefined ? {} : { indexFile: context.indexFile },
    )
  return {
    image: (layers, createdAt) => ({
      keys: [],
      run: () => {
        for (const layer of layers) tools.lease.add(`layer:${layer}`)
        return Promise.resolve({ result: { layers, createdAt }, cacheable: false })
      },
    }),
    context: (wanted) => ({
      keys: [],
      run: async (op, _inputs, io) => {
        await context.fetch?.(op, [...wanted], io)
        const result = {
          layers: [],
          createdAt: '',
          context: {
            root: context.root,
            scan: await scan(op, [...wanted]),
            rescan: (signal: AbortSignal, paths: readonly string[]) => scan({ ...op, signal }, paths),
          },
        }
        return { result, cacheable: false }
      },
    }),
    run: (step) => runWork(tools, step),
    copy: (step) => copyWork(tools, step),
    workdir: (step) => workdirWork(tools, step),
    stack: () => ({
      keys: [],
      run: (_op, trees) => {
        const layers = trees.flatMap((tree) => tree.layers)
        return Promise.resolve({
          result: { layers, createdAt: trees.at(-1)?.createdAt ?? '' },
          cacheable: false,
        })
      },
    }),
  }
}
