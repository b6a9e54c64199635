import type { Op } from '../../lib/op.ts'
import type { IgnorePattern } from '../../lib/ignore.ts'
import type { Fetch } from '../context/synced.ts'
import type { Tree } from '../graph/tree.ts'
import type { RemoteWorks, Works } from '../graph/works.ts'
import type { Work } from '../solver/vertex.ts'
import { gitWork } from '../source/git-work.ts'
import { httpWork } from '../source/http-work.ts'
import { copyWork } from './copy.ts'
import { withTimes } from './times.ts'
import { runWork } from './run.ts'
import type { Tools } from './tools.ts'
import { workdirWork } from './workdir.ts'

/** Where the build context is and how it is read. */
export interface ContextSource {
  readonly root: string
  readonly ignore: readonly IgnorePattern[]
  /** Brings there what is wanted; absent: everything is there. */
  readonly fetch?: Fetch
  /** Where its file hashes are kept; none for contexts that are gone after the build. */
  readonly indexFile?: string
}

export function remoteWorks(tools: Tools): RemoteWorks {
  const { times } = tools
  return {
    copy: (step) => withTimes(times, copyWork(tools, step)),
    http: (step) => withTimes(times, httpWork(tools, step)),
    git: (step) => withTimes(times, gitWork(tools, step)),
  }
}

/** The real work: on snapshots, with the runtime and the network. `named`: contexts besides the build's own. */
export function makeWorks(
  tools: Tools,
  context: ContextSource,
  named: ReadonlyMap<string, ContextSource> = new Map(),
): Works {
  return {
    ...remoteWorks(tools),
    image: (layers, createdAt) => ({
      keys: [],
      run: () => {
        for (const layer of layers) tools.lease.add(`layer:${layer}`)
        return Promise.resolve({ result: { layers, createdAt }, cacheable: false })
      },
    }),
    context: (wanted, name) => {
      const source = name === undefined ? context : named.get(name)
      if (!source) throw new Error(`there is no build context ${name}`)
      return contextWork(tools, source, wanted)
    },
    run: (step) => withTimes(tools.times, runWork(tools, step)),
    workdir: (step) => withTimes(tools.times, workdirWork(tools, step)),
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

function contextWork(tools: Tools, source: ContextSource, wanted: ReadonlySet<string>): Work<Tree> {
  const { root, ignore, indexFile } = source
  const scan = (op: Op, paths: readonly string[]) =>
    tools.scanner.scan(op, { root, wanted: paths, ignore }, indexFile === undefined ? {} : { indexFile })
  return {
    keys: [],
    run: async (op, _inputs, io) => {
      const all = [...wanted]
      const walk = () => scan(op, all)
      const context = {
        root,
        scan: source.fetch ? await source.fetch(op, { wanted: all, io, scan: walk }) : await walk(),
        rescan: (signal: AbortSignal, paths: readonly string[]) => scan({ ...op, signal }, paths),
      }
      return { result: { layers: [], createdAt: '', context }, cacheable: false }
    },
  }
}
