import type { Op } from '../lib/op.ts'
import { EngineError, messageOf } from '../lib/errors.ts'
import type { ImageConfig } from '../wire/container.ts'
import type { Instruction } from './dockerfile/instructions.ts'
import { parseProgram } from './dockerfile/stages.ts'
import { emptyDraft } from './graph/base-image.ts'
import { Converter } from './graph/convert.ts'
import { StageBuilder } from './graph/stage.ts'
import { noWorks } from './graph/works.ts'
import { Progress } from './solver/progress.ts'

/** What docker's `--change` takes: instructions that change the config alone. */
const allowed: ReadonlySet<Instruction['kind']> = new Set([
  'cmd',
  'entrypoint',
  'env',
  'expose',
  'healthcheck',
  'label',
  'onbuild',
  'stopsignal',
  'user',
  'volume',
  'workdir',
])

/** `import --change` and `commit --change`: Dockerfile lines applied to an image's config. No file is touched. */
export async function applyChanges(
  op: Op,
  config: ImageConfig,
  lines: readonly string[],
): Promise<ImageConfig> {
  if (lines.length === 0) return config
  const program = parseChanges(lines)
  const stage = program.stages[0]
  if (!stage || program.stages.length > 1)
    throw new EngineError('invalid', 'FROM is not a valid change command')
  for (const { kind } of stage.body)
    if (!allowed.has(kind))
      throw new EngineError('invalid', `${kind.toUpperCase()} is not a valid change command`)
  // The graph that comes of it is never solved: only the config counts.
  const converter = new Converter(program, {
    buildArgs: {},
    network: 'none',
    works: noWorks,
    contexts: new Map(),
    progress: new Progress(() => {}),
    findImage: () => Promise.reject(new Error('a change of the config needs no image')),
  })
  const draft = { ...emptyDraft(), config: structuredClone(config) }
  const builder = new StageBuilder(converter, stage, {
    draft,
    args: new Map(),
    fromImage: false,
    triggers: [],
  })
  await builder.build(op)
  return draft.config
}

function parseChanges(lines: readonly string[]): ReturnType<typeof parseProgram> {
  try {
    return parseProgram('--change', ['FROM scratch', ...lines].join('\n'))
  } catch (error) {
    const [, word] = /unknown instruction: (\S+)/.exec(messageOf(error)) ?? []
    if (word === undefined) throw error
    throw new EngineError('invalid', `${word} is not a valid change command`, { cause: error })
  }
}
