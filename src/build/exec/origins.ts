import { cleanPath, hasWildcard } from '../../lib/ignore.ts'
import type { Op } from '../../lib/op.ts'
import { splitBelow } from '../context/below.ts'
import type { Scan } from '../context/scan.ts'
import { excludePatterns } from '../dockerfile/excludes.ts'
import type { Tree } from '../graph/tree.ts'
import { MissingSource, type CopySource, type CopyStep } from '../graph/works.ts'
import type { Io } from '../solver/vertex.ts'
import { select, selectBelow, without, type Selection } from './manifest.ts'
import type { Tools } from './tools.ts'
import { inSpace } from './workspace.ts'

/** One thing that a COPY takes from, and what it takes of it. */
export interface Origin {
  readonly from: CopySource['from']
  readonly tree: Tree
  readonly sources: readonly CopySource[]
}

/** What a source means in its tree. */
export interface Picked {
  readonly selection: Selection
  readonly extract: boolean
}

/** In the order of the sources: what comes later overwrites what came before. */
export function originsOf(step: CopyStep, inputs: readonly Tree[]): Origin[] {
  const origins: (Origin & { input: number; sources: CopySource[] })[] = []
  for (const source of step.sources) {
    const last = origins.at(-1)
    if (last?.input === source.input) {
      last.sources.push(source)
      continue
    }
    const tree = inputs[(step.onBase ? 1 : 0) + source.input]
    if (!tree) throw new Error(`a copy has no input ${source.input}`)
    origins.push({ input: source.input, from: source.from, tree, sources: [source] })
  }
  return origins
}

/** `directory`: where the tree is mounted already. */
export async function scanOrigin(op: Op, tools: Tools, origin: Origin, directory?: string): Promise<Scan> {
  const { tree, sources } = origin
  if (tree.context) return tree.context.scan
  const wanted = sources.map((source) => source.pattern)
  const request = (root: string) => ({ root, wanted, ignore: [] })
  if (directory !== undefined) return await tools.scanner.scan(op, request(directory))
  return await inSpace(op, tools, {
    layers: tree.layers,
    work: ({ root }) => tools.scanner.scan(op, request(root)),
  })
}

/** What the sources mean in this tree. Throws docker's text for one that is not there, with the reason where there is one. */
export function pick(step: CopyStep, o: { origin: Origin; scan: Scan; io?: Io }): Picked[] {
  const excludes = excludePatterns(step.excludes)
  return o.origin.sources.flatMap(({ pattern, extract }) =>
    without(find(step, pattern, o), excludes).map((selection) => ({ selection, extract })),
  )
}

function find(step: CopyStep, pattern: string, { scan, io }: { scan: Scan; io?: Io }): Selection[] {
  const source = scan.sources.find((candidate) => candidate.pattern === pattern)
  if (source && source.paths.length > 0)
    return step.parents ? selectBelow(scan, source) : select(scan, source)
  const shown = cleanPath(splitBelow(pattern).join('/'))
  const hidden = source?.ignoredBy
  if (hasWildcard(pattern)) {
    io?.log(
      2,
      `no file matches ${shown}${hidden ? ` (.dockerignore:${hidden.line} "${hidden.pattern}" keeps ${hidden.path} out)` : ''}\n`,
    )
    return []
  }
  const path = `/${shown.replace(/^\.?\/+/, '')}`
  const near = source?.near === undefined ? '' : ` (did you mean ${source.near}?)`
  const hint = hidden
    ? ` (it is there, but .dockerignore:${hidden.line} "${hidden.pattern}" keeps it out)`
    : near
  throw new MissingSource(
    pattern,
    `failed to calculate checksum of ref: ${JSON.stringify(path)}: not found${hint}`,
  )
}
