import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  loadProject,
  writeProject,
  type LoadOptions,
  type Project,
  type ProjectSource,
} from '../../src/compose/index.ts'
import { EngineError } from '../../src/lib/errors.ts'
import { seededChoice } from '../../src/lib/seeded-random.ts'
import { allCases } from './compose-corpus/cases.ts'

/** Raise it to search longer. */
const budget = Number(process.env['GANTRY_FUZZ_SECONDS'] ?? '3') * 1000
const seed = Number(process.env['GANTRY_FUZZ_SEED'] ?? Date.now() % 1_000_000)

const options: LoadOptions = {
  interpolation: true,
  normalization: true,
  pathResolution: true,
  consistency: true,
  envResolution: true,
  warn: () => undefined,
}

/** Texts that mean something to Compose files, to be put anywhere. */
const pieces = [
  ...'&a |*a|<<: *a|!reset |!override |${|}|${A:-|$$|!!int |!!str |? |---\n|\t|null|~|[]|{}|- |: |"|\'|>-|\n  |#'.split(
    '|',
  ),
  ...'0x|-1|1e99|.inf|999999999999999999|extends: a|include: [compose.yaml]|services:|a:|ports:|80-1:1|::|/|x-'.split(
    '|',
  ),
  ...'|\0|\u{10ffff}|__proto__|constructor|toString|\\'.split('|'),
]

/** mulberry32: a run can be had again from its seed. */
function mutated(text: string, other: string, below: (limit: number) => number): string {
  let changed = text
  for (let count = below(4) + 1; count > 0; count--) {
    const at = below(changed.length + 1)
    const end = at + below(12)
    const insert = [
      pieces[below(pieces.length)] ?? '',
      '',
      other.slice(below(other.length + 1)).slice(0, below(80)),
      changed.slice(at, end).repeat(below(4)),
    ][below(4)]
    changed = changed.slice(0, at) + (insert ?? '') + changed.slice(below(2) === 0 ? at : end)
  }
  return changed
}

test(`files with changes at random are loaded or refused, quickly (seed ${seed})`, () => {
  const below = seededChoice(seed)
  const texts = allCases().flatMap(({ files }) =>
    Array.from(files).flatMap(([path, text]) => (path.endsWith('.yaml') ? [text] : [])),
  )
  const pick = () => texts[below(texts.length)] ?? ''
  const end = Date.now() + budget
  let loaded = 0
  let all = 0
  while (Date.now() < end) {
    const text = mutated(pick(), pick(), below)
    const source: ProjectSource = {
      files: [{ path: '/nonexistent/compose.yaml', text }],
      folder: '/nonexistent',
      environment: new Map([['A', 'a']]),
      sources: new Map(),
      name: 'fuzz',
      profiles: ['*'],
    }
    const begin = Date.now()
    all++
    try {
      const project = attempt(source)
      if (project) loaded++
      if (project) assertReadable(project, source)
    } catch (error) {
      throw new Error(`seed ${seed}:\n${text}`, { cause: error })
    }
    assert.ok(Date.now() - begin < 2000, `slow, seed ${seed}:\n${text}`)
  }
  assert.ok(loaded > all / 100, `${loaded} of ${all} are loaded`)
})

/** Undefined when the file is refused, which takes a sentence. */
function attempt(source: ProjectSource): Project | undefined {
  try {
    return loadProject(source, options)
  } catch (error) {
    if (!(error instanceof EngineError) || error.message === '') throw error
    return undefined
  }
}

/** What is printed is a Compose file of the same project. */
function assertReadable(project: Project, source: ProjectSource): void {
  const text = writeProject(project, 'yaml')
  const files = [{ path: '/nonexistent/compose.yaml', text }]
  const again = loadProject({ ...source, files }, { ...options, interpolation: false })
  assert.equal(writeProject(again, 'yaml'), text)
}
