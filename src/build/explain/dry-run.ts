import { isDigest, type Digest } from '../../lib/digest.ts'
import type { Op } from '../../lib/op.ts'
import type { StepExplanation } from '../../wire/build.ts'
import type { Tree } from '../graph/tree.ts'
import type { Progress } from '../solver/progress.ts'
import type { Cache } from '../solver/solver.ts'
import type { CacheKey, Vertex } from '../solver/vertex.ts'
import type { Explainer } from './explainer.ts'

/** What a vertex would give, as far as it is known without running anything. */
interface Forecast {
  /** Its result, or the one that it had in the last build. */
  readonly tree: Tree | undefined
  /** Vertices that would run and may give something else. */
  readonly depends: ReadonlySet<Vertex<Tree>>
}

/**
 * Tells of each step whether it would come from the cache, and why not, without running any. Behind a step that would run,
 * its earlier result is assumed: a step that is found then is a hit if the one before gives the same files again.
 */
export async function explainGraph(
  op: Op,
  roots: readonly Vertex<Tree>[],
  o: {
    cache: Pick<Cache<Tree>, 'get'>
    explainer: Explainer
    progress: Progress
    isFresh: (vertex: Vertex<Tree>) => boolean
    hold: (tree: Tree) => void
  },
): Promise<StepExplanation[]> {
  const known = new Map<Digest, Forecast>()
  const told: StepExplanation[] = []
  const tell = (vertex: Vertex<Tree>, state: StepExplanation['state'], why: readonly string[]) => {
    if (vertex.step) told.push({ name: vertex.name, step: vertex.step, state, why: [...why] })
  }

  const visit = async (vertex: Vertex<Tree>): Promise<Forecast> => {
    const before = known.get(vertex.id)
    if (before) return before
    const inputs: Forecast[] = []
    for (const input of vertex.inputs) inputs.push(await visit(input))
    const forecast = await foresee(vertex, inputs)
    if (forecast.tree) o.hold(forecast.tree)
    known.set(vertex.id, forecast)
    return forecast
  }

  const foresee = async (vertex: Vertex<Tree>, inputs: readonly Forecast[]): Promise<Forecast> => {
    op.signal.throwIfAborted()
    const depends = new Set(inputs.flatMap((input) => [...input.depends]))
    const trees = inputs.flatMap((input) => input.tree ?? [])
    const isKnown = trees.length === inputs.length
    if (vertex.work.keys.length === 0) {
      if (vertex.step) tell(vertex, 'hit', [])
      if (!isKnown) return { tree: undefined, depends }
      const { result } = await vertex.work.run(op, trees, o.progress.io(vertex))
      return { tree: result, depends }
    }
    if (!isKnown) {
      tell(vertex, 'follows', follows(depends, { same: false }))
      return { tree: undefined, depends: depends.size > 0 ? depends : new Set([vertex]) }
    }
    const keys: CacheKey[] = []
    for (const make of vertex.work.keys) {
      const key = await make(op, trees, o.progress.io(vertex))
      keys.push(key)
      const hit = o.isFresh(vertex) ? undefined : o.cache.get(key)
      if (!hit) continue
      o.explainer.explain(vertex, { keys, hit: true })
      if (depends.size === 0) tell(vertex, 'hit', [])
      else tell(vertex, 'follows', follows(depends, { same: true }))
      return { tree: hit, depends }
    }
    const why = o.explainer.explain(vertex, { keys, hit: false })
    tell(vertex, 'miss', o.isFresh(vertex) ? ['it is not to be looked for in the cache'] : why)
    return { tree: earlierResult(vertex, keys.at(-1)), depends: new Set([vertex]) }
  }

  /** What it added in the last build, on what it stands on now. */
  const earlierResult = (vertex: Vertex<Tree>, key: CacheKey | undefined): Tree | undefined => {
    const digest = o.explainer.knownKey(vertex)
    const earlier = digest && o.cache.get({ digest, inputs: null })
    const layer = earlier?.layers.at(-1)
    if (!earlier || layer === undefined || !key) return undefined
    return { ...earlier, layers: [...baseOf(key), layer] }
  }

  for (const root of roots) await visit(root)
  return told
}

/** The layers that a step stands on are a part of its key. */
function baseOf({ inputs }: CacheKey): Digest[] {
  if (typeof inputs !== 'object' || inputs === null || !('base' in inputs)) return []
  const { base } = inputs
  return Array.isArray(base)
    ? base.filter((each): each is Digest => typeof each === 'string' && isDigest(each))
    : []
}

function follows(depends: ReadonlySet<Vertex<Tree>>, o: { same: boolean }): string[] {
  const names = [...depends].map((vertex) => vertex.name.replace(/^(\[[^\]]*\]).*$/s, '$1'))
  const last = names.at(-1) ?? ''
  return [
    o.same
      ? `a hit if ${names.join(' and ')} give${names.length > 1 ? '' : 's'} the same files again`
      : `follows ${last}, of which no earlier result is known`,
  ]
}
