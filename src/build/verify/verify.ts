import { EngineError } from '../../lib/errors.ts'
import { digestOf, type Digest } from '../../lib/digest.ts'
import type { Op } from '../../lib/op.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Tree } from '../graph/tree.ts'
import type { Progress } from '../solver/progress.ts'
import type { Solver } from '../solver/solver.ts'
import type { Vertex } from '../solver/vertex.ts'
import { compareLayers, type FileDifference } from './compare.ts'

/** Files that are told at most. */
const shownFiles = 20

/**
 * Runs the whole graph again, without cache, and compares what comes out. Throws kind `conflict` naming the first step and the
 * first file that differ. Nothing of the second run is kept.
 */
export async function verifyBuild(
  op: Op,
  o: {
    root: Vertex<Tree>
    results: ReadonlyMap<Digest, Tree>
    solver: Solver<Tree>
    snapshots: Snapshots
    progress: Progress
    onResult: (tree: Tree) => void
  },
): Promise<void> {
  const { root, results, progress } = o
  const second = again(root, new Map())
  const others = await o.solver.solve(op, [second], {
    progress,
    noCache: true,
    remember: false,
    onResult: o.onResult,
  })
  await progress.task('[internal] compare with the first build', async (io) => {
    const [first = [], then = []] = [results.get(root.id)?.layers, others.get(second.id)?.layers]
    const place = Array.from({ length: Math.max(first.length, then.length) }, (_, i) => i).find(
      (i) => first[i] !== then[i],
    )
    if (place === undefined) return
    const step = stepOf(root, results, place)
    const [a, b] = [first[place], then[place]]
    const { snapshots } = o
    const files =
      a && b ? await compareLayers(snapshots.tar(op, a), snapshots.tar(op, b), { limit: shownFiles }) : []
    for (const { path, what } of files) io.log(2, `${path}: ${what.join('; ')}\n`)
    if (files.length === shownFiles) io.log(2, 'more files may differ\n')
    throw new EngineError('conflict', sentence(step, files[0]))
  })
}

function sentence(step: string, file: FileDifference | undefined): string {
  const head = `the build is not reproducible: a second build of ${step} gave`
  return file ? `${head} another ${file.path}: ${file.what.join('; ')}` : `${head} another layer`
}

/** The step whose result ends with the layer at this place of the stack. */
function stepOf(root: Vertex<Tree>, results: ReadonlyMap<Digest, Tree>, place: number): string {
  const wanted = results.get(root.id)?.layers.slice(0, place + 1) ?? []
  const search = (vertex: Vertex<Tree>): string | undefined => {
    const found = vertex.inputs.map(search).find((name) => name !== undefined)
    if (found !== undefined) return found
    const layers = results.get(vertex.id)?.layers ?? []
    // A layer by itself, which is put on the others later, is its step's too.
    const own = layers.length === 1 && layers[0] === wanted.at(-1)
    return own || (layers.length === wanted.length && layers.every((layer, i) => layer === wanted[i]))
      ? vertex.name
      : undefined
  }
  return search(root) ?? root.name
}

/** The same graph once more: its vertices are others to whoever follows the build. */
function again(vertex: Vertex<Tree>, made: Map<Digest, Vertex<Tree>>): Vertex<Tree> {
  const known = made.get(vertex.id)
  if (known) return known
  const copy: Vertex<Tree> = {
    ...vertex,
    id: digestOf(`again ${vertex.id}`),
    name: `again: ${vertex.name}`,
    inputs: vertex.inputs.map((input) => again(input, made)),
  }
  made.set(vertex.id, copy)
  return copy
}
