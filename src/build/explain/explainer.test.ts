import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, type Digest } from '../../lib/digest.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { Store } from '../../store/index.ts'
import type { Tree } from '../graph/tree.ts'
import { Progress } from '../solver/progress.ts'
import { Solver, type Cache } from '../solver/solver.ts'
import { cacheKey, makeVertex, type CacheKey, type Json, type Vertex } from '../solver/vertex.ts'
import { explainGraph } from './dry-run.ts'
import { Explainer, type EarlierResult, type EarlierResults } from './explainer.ts'
import { StepMemory } from './memory.ts'

const op = background(silentLogger)

/** A cache and a memory that live on, and builds of chains of steps: `[text, what its files or inputs are]`. */
function setUp() {
  const memory = new StepMemory(Store.open(':memory:'))
  const results = new Map<Digest, { tree: Tree; made: EarlierResult }>()
  const manifests = new Map<Digest, string>()
  const cache: Cache<Tree> = {
    get: (key) => results.get(key.digest)?.tree,
    put: (keys, tree, vertex) => {
      for (const { digest, inputs, manifest } of keys) {
        results.set(digest, { tree, made: { name: vertex.name, inputs, manifest: manifest?.digest } })
        if (manifest) manifests.set(manifest.digest, manifest.text)
      }
    },
  }
  const earlier: EarlierResults = {
    look: (key) => results.get(key)?.made,
    manifest: (digest) => manifests.get(digest),
    like: (text) =>
      [...results.values()].map(({ made }) => made).filter(({ name }) => name.endsWith(`] ${text}`)),
  }
  const explainerOf = (root: Vertex<Tree>, origin = 'here') =>
    new Explainer({
      memory,
      earlier,
      origin,
      argNames: new Set(['V']),
      isFresh: () => false,
      roots: [root],
    })
  const build = async (root: Vertex<Tree>, origin?: string) => {
    const explainer = explainerOf(root, origin)
    const why: Record<string, string[]> = {}
    await new Solver({ cache, limit: 2 }).solve(op, [root], {
      progress: new Progress((event) => {
        if (event.type === 'vertex' && event.miss) why[event.step?.text ?? ''] = event.miss
      }),
      noCache: false,
      onResult: () => undefined,
      explain: (vertex, looked) => explainer.explain(vertex, looked),
    })
    explainer.finish()
    return why
  }
  const explain = async (root: Vertex<Tree>) => {
    const told = await explainGraph(op, [root], {
      cache,
      explainer: explainerOf(root),
      progress: new Progress(() => {}),
      isFresh: () => false,
      hold: () => {},
    })
    return told.map(({ step, state, why }) => [step.text, state, ...why].join(' | '))
  }
  return { build, explain, results }
}

interface Step {
  readonly text: string
  readonly inputs?: Json
  readonly files?: Readonly<Record<string, string>>
  /** What it gives, whatever it is made of. */
  readonly gives?: string
}

function chain(image: string, ...steps: Step[]): Vertex<Tree> {
  const place = (index: number, text: string) => ({
    stage: 's',
    index,
    total: steps.length + 1,
    startLine: index,
    endLine: index,
    text,
  })
  let vertex = makeVertex<Tree>(['image', image], {
    name: '[1] FROM base',
    step: place(1, 'FROM base'),
    image: digestOf(image),
    inputs: [],
    work: {
      keys: [],
      run: () =>
        Promise.resolve({
          result: { layers: [digestOf(`layer of ${image}`)], createdAt: '' },
          cacheable: false,
        }),
    },
  })
  for (const [index, step] of steps.entries()) {
    const manifest = step.files && manifestOf(step.files)
    const key = (base: readonly Digest[]): CacheKey => ({
      ...cacheKey({
        op: step.text.split(' ', 1)[0] ?? '',
        base,
        ...(step.inputs as object),
        ...(manifest && { files: manifest.digest }),
      }),
      ...(manifest && { manifest }),
    })
    const give = step.gives ?? JSON.stringify([step.text, step.inputs, step.files])
    vertex = makeVertex<Tree>([step.text, JSON.stringify(step)], {
      name: `[${index + 2}] ${step.text}`,
      step: place(index + 2, step.text),
      inputs: [vertex],
      work: {
        keys: [(_op, [base]) => Promise.resolve(key(base?.layers ?? []))],
        run: (_op, [base]) =>
          Promise.resolve({
            result: { layers: [...(base?.layers ?? []), digestOf(give)], createdAt: '' },
            cacheable: true,
          }),
      },
    })
  }
  return vertex
}

function manifestOf(files: Readonly<Record<string, string>>) {
  const text = [
    JSON.stringify({ from: '.' }),
    ...Object.entries(files).map(([path, content]) => JSON.stringify([path, 'f', '644', '-', content])),
  ].join('\n')
  return { text, digest: digestOf(text) }
}

const copy = (content: string, more: Partial<Step> = {}): Step => ({
  text: 'COPY . .',
  files: { 'a.ts': content, b: 'same' },
  ...more,
})
const run: Step = { text: 'RUN make', inputs: { env: ['V=1'] } }

test('a first build has nothing to compare with; the next one says what is new', async () => {
  const { build } = setUp()
  assert.deepEqual(await build(chain('i', copy('1'), run)), {})
  assert.deepEqual(await build(chain('i', copy('1'), run)), {})
  assert.deepEqual(await build(chain('i', copy('2'), run)), {
    'COPY . .': ['a.ts (content)'],
    'RUN make': ['follows [2] COPY . .'],
  })
  assert.deepEqual(await build(chain('i', copy('2'), { ...run, inputs: { env: ['V=2'] } })), {
    'RUN make': ['ARG V: "1"→"2"'],
  })
  assert.deepEqual(await build(chain('j', copy('2'), { text: 'RUN new' })), {
    'COPY . .': [`base image: base (${short('i')} → ${short('j')})`],
    'RUN new': ['ARG V: removed', 'follows [2] COPY . .'],
  })
})

test('a step that comes between others is new, and what stands on it follows', async () => {
  const { build } = setUp()
  await build(chain('i', copy('1'), run))
  assert.deepEqual(await build(chain('i', { text: 'WORKDIR /w' }, copy('1'), run)), {
    'WORKDIR /w': ['this instruction is new'],
    'COPY . .': ['follows [2] WORKDIR /w'],
    'RUN make': ['follows [3] COPY . .'],
  })
})

test('what is gone from the cache is known to have been there', async () => {
  const { build, results } = setUp()
  await build(chain('i', copy('1')))
  results.clear()
  assert.deepEqual(await build(chain('i', copy('1'))), {
    'COPY . .': ['its earlier result is no longer in the cache'],
  })
})

test('a first build elsewhere is compared with the same steps on the same files', async () => {
  const { build } = setUp()
  await build(chain('i', copy('1'), run))
  assert.deepEqual(await build(chain('i', copy('2'), run), 'elsewhere'), { 'COPY . .': ['a.ts (content)'] })
})

test('a forecast runs nothing, and tells hits that depend on what a step gives', async () => {
  const { build, explain } = setUp()
  await build(chain('i', copy('1'), run))
  assert.deepEqual(await explain(chain('i', copy('1'), run)), [
    'FROM base | hit',
    'COPY . . | hit',
    'RUN make | hit',
  ])
  assert.deepEqual(await explain(chain('i', copy('2'), run)), [
    'FROM base | hit',
    'COPY . . | miss | a.ts (content)',
    'RUN make | follows | a hit if [2] gives the same files again',
  ])
  assert.deepEqual(await explain(chain('j', copy('1'), run)), [
    'FROM base | hit',
    `COPY . . | miss | base image: base (${short('i')} → ${short('j')})`,
    'RUN make | miss | follows [2] COPY . .',
  ])
  assert.deepEqual(await explain(chain('i', { text: 'RUN other' }, run)), [
    'FROM base | hit',
    'RUN other | miss | this instruction is new',
    'RUN make | follows | follows [2], of which no earlier result is known',
  ])
})

const short = (image: string) => digestOf(image).slice(0, 19)
