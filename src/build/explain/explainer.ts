import type { Digest } from '../../lib/digest.ts'
import type { Program } from '../dockerfile/stages.ts'
import type { Tree } from '../graph/tree.ts'
import type { CacheKey, Json, Vertex, VertexInfo } from '../solver/vertex.ts'
import { align, type PlacedStep } from './align.ts'
import { fileChanges } from './files.ts'
import { inputChanges } from './inputs.ts'
import type { KnownStep, StepMemory } from './memory.ts'

/** What a result in the cache was made of. */
export interface EarlierResult {
  /** As people saw the step, `[2/3] RUN make`. */
  readonly name: string
  readonly inputs: Json
  readonly manifest?: Digest | undefined
}

/** The cache, as a place of comparison. */
export interface EarlierResults {
  look(key: Digest): EarlierResult | undefined
  manifest(digest: Digest): string | undefined
  /** Of steps with these words, wherever they stood. */
  like(text: string): Iterable<EarlierResult>
}

interface Placed extends PlacedStep {
  readonly vertex: Vertex<Tree>
}

/** Files named in one reason; the rest is counted. */
const maxFiles = 50
const maxName = 60
/** Results of other contexts that a step is compared with. */
const maxCompared = 100

/** Tells for one build why steps had to run: compares them with those of the last build from the same context and Dockerfile. */
export class Explainer {
  readonly #memory: StepMemory
  readonly #earlier: EarlierResults
  readonly #origin: string
  readonly #argNames: ReadonlySet<string>
  readonly #isFresh: (vertex: VertexInfo) => boolean
  readonly #steps: readonly Placed[]
  readonly #before: readonly KnownStep[]
  readonly #known: ReadonlyMap<Placed, KnownStep>
  readonly #placed = new Map<Digest, Placed>()
  readonly #outcomes = new Map<Digest, { keys: readonly Digest[]; hit: boolean }>()

  constructor(o: {
    memory: StepMemory
    earlier: EarlierResults
    origin: string
    /** What ARG instructions declare. */
    argNames: ReadonlySet<string>
    /** Steps that are not looked for in the cache: that they run needs no reason. */
    isFresh: (vertex: VertexInfo) => boolean
    roots: readonly Vertex<Tree>[]
  }) {
    this.#memory = o.memory
    this.#earlier = o.earlier
    this.#origin = o.origin
    this.#argNames = o.argNames
    this.#isFresh = o.isFresh
    this.#steps = placedSteps(o.roots)
    for (const step of this.#steps) this.#placed.set(step.vertex.id, step)
    this.#before = o.memory.get(o.origin)
    this.#known = align(this.#before, this.#steps)
  }

  /** For `SolveOptions.explain`: notes the outcome; why a miss is one, in parts. Empty: nothing earlier is close. */
  explain(vertex: Vertex<Tree>, looked: { keys: readonly CacheKey[]; hit: boolean }): string[] {
    const { keys, hit } = looked
    this.#outcomes.set(vertex.id, { keys: keys.map((key) => key.digest), hit })
    return hit || this.#isFresh(vertex) ? [] : this.#why(vertex, keys)
  }

  /** Key of the result that the same step had in the last build. */
  knownKey(vertex: Vertex<Tree>): Digest | undefined {
    const step = this.#placed.get(vertex.id)
    return (step && this.#known.get(step))?.keys.at(-1)
  }

  /** Remembers the steps for the next build. What this one did not come to stays as it was. */
  finish(): void {
    const steps = this.#steps.flatMap((step): KnownStep[] => {
      const { stage, kind, text, vertex } = step
      const outcome = this.#outcomes.get(vertex.id)
      const image = vertex.image === undefined ? {} : { image: vertex.image }
      if (outcome) return [{ stage, kind, text, keys: this.#keysOf(step, outcome) }]
      if (vertex.image !== undefined) return [{ stage, kind, text, keys: [], ...image }]
      const known = this.#known.get(step)
      return known ? [known] : []
    })
    // Stages that this target does not need are remembered from before.
    const stages = new Set(this.#steps.map((step) => step.stage))
    this.#memory.put(this.#origin, [...this.#before.filter((old) => !stages.has(old.stage)), ...steps])
  }

  /**
   * A result that was found by a cheap key has no dearer ones this time; those that led to it before still do. One that failed
   * has none.
   */
  #keysOf(step: Placed, o: { keys: readonly Digest[]; hit: boolean }): Digest[] {
    const { keys, hit } = o
    const old = this.#known.get(step)?.keys ?? []
    const last = keys.at(-1)
    if (!hit && (!last || !this.#earlier.look(last))) return []
    return keys.every((key, index) => key === old[index]) && old.length > keys.length ? [...old] : [...keys]
  }

  #why(vertex: Vertex<Tree>, keys: readonly CacheKey[]): string[] {
    const step = this.#placed.get(vertex.id)
    if (!step) return []
    if (this.#before.length === 0) return this.#comparedWithAll(step, keys)
    const old = this.#known.get(step)
    if (!old) return ['this instruction is new']
    if (old.keys.length === 0) return ['it gave no result in the last build']
    for (let index = keys.length - 1; index >= 0; index--) {
      const [key, oldKey] = [keys[index], old.keys[index]]
      const earlier = oldKey && this.#earlier.look(oldKey)
      if (key && earlier) return this.#compare(vertex, key, earlier)
    }
    return ['its earlier result is no longer in the cache']
  }

  #compare(vertex: Vertex<Tree>, key: CacheKey, earlier: EarlierResult): string[] {
    const changes = [
      ...this.#files(key, earlier),
      ...inputChanges(earlier.inputs, key.inputs, this.#argNames),
    ]
    const field = (inputs: Json, name: string) => JSON.stringify(fieldOf(inputs, name))
    if (field(earlier.inputs, 'base') !== field(key.inputs, 'base')) changes.push(...this.#below(vertex))
    if (changes.length === 0 && field(earlier.inputs, 'from') !== field(key.inputs, 'from'))
      changes.push('other files in what it copies from')
    return changes.length > 0 ? changes : ['its earlier result is no longer in the cache']
  }

  #files(key: CacheKey, earlier: EarlierResult): string[] {
    const { manifest } = key
    if (!manifest || !earlier.manifest || manifest.digest === earlier.manifest) return []
    const before = this.#earlier.manifest(earlier.manifest)
    if (before === undefined) return ['other files']
    const changes = fileChanges(before, manifest.text)
    const more = changes.length - maxFiles
    return more > 0 ? [...changes.slice(0, maxFiles), `and ${more} more files`] : changes
  }

  /** Why the tree that the step stands on is another one. */
  #below(vertex: Vertex<Tree>): string[] {
    const base = vertex.inputs[0]
    const below = base ? shownBelow(base) : []
    const reasons = below.flatMap((each) => {
      const step = this.#placed.get(each.id)
      const old = step && this.#known.get(step)
      if (each.image !== undefined) {
        if (!old || old.image === each.image) return []
        const name = each.step?.text.replace(/^FROM /, '') ?? ''
        const was = old.text.replace(/^FROM /, '')
        return was === name
          ? [`base image: ${name} (${short(old.image)} → ${short(each.image)})`]
          : [`base image: ${was} → ${name}`]
      }
      const outcome = this.#outcomes.get(each.id)
      if (!outcome) return []
      if (!outcome.hit) return [`follows ${clip(each.name)}`]
      const isSame = outcome.keys.every((key, index) => key === old?.keys[index])
      return isSame ? [] : [`follows ${clip(each.name)}, which has another result now`]
    })
    return reasons.length > 0 ? reasons : ['it stands on other files']
  }

  /** First build here: a step with the same words on the same files may have run for another directory. */
  #comparedWithAll(step: Placed, keys: readonly CacheKey[]): string[] {
    const key = keys.at(-1)
    if (!key) return []
    let best: string[] | undefined
    let count = 0
    for (const earlier of this.#earlier.like(step.text)) {
      if (++count > maxCompared) break
      if (JSON.stringify(fieldOf(earlier.inputs, 'base')) !== JSON.stringify(fieldOf(key.inputs, 'base')))
        continue
      const changes = this.#compare(step.vertex, key, earlier)
      if (!best || changes.length < best.length) best = changes
    }
    return best ?? []
  }
}

/** What a Dockerfile declares by ARG. */
export function argNames(program: Program): Set<string> {
  const all = [...program.globals, ...program.stages.flatMap((stage) => stage.body)]
  return new Set(all.flatMap((i) => (i.kind === 'arg' ? i.args.map(({ key }) => key.text) : [])))
}

function placedSteps(roots: readonly Vertex<Tree>[]): Placed[] {
  const found = new Map<Digest, Placed>()
  const visit = (vertex: Vertex<Tree>) => {
    if (found.has(vertex.id)) return
    const { step } = vertex
    // In its place before its inputs are looked at would be out of order.
    for (const input of vertex.inputs) visit(input)
    if (step && !found.has(vertex.id))
      found.set(vertex.id, {
        stage: step.stage,
        kind: step.text.split(/\s/, 1)[0] ?? '',
        text: step.text,
        vertex,
      })
  }
  for (const root of roots) visit(root)
  return [...found.values()]
}

const shownBelow = (vertex: Vertex<Tree>): Vertex<Tree>[] =>
  vertex.hidden ? vertex.inputs.flatMap(shownBelow) : [vertex]

const clip = (name: string): string => (name.length > maxName ? `${name.slice(0, maxName - 1)}…` : name)

const short = (digest: string | undefined): string => (digest ?? 'none').replace(/^(sha256:.{12}).*/, '$1')

function fieldOf(value: Json, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  // A JSON object, read by name.
  return (value as Readonly<Record<string, Json>>)[name] ?? null
}
