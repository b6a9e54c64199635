import { decodeInstruction } from './decode.ts'
import type { Instruction, InstructionOf } from './instructions.ts'
import { parseDockerfile, type Dockerfile, type InstructionNode } from './parser.ts'
import { BuildError } from './source.ts'

/** A Dockerfile as a list of stages. */
export interface Program {
  readonly file: Dockerfile
  /** ARGs before the first FROM. */
  readonly globals: readonly InstructionOf<'arg'>[]
  readonly stages: readonly Stage[]
}

export interface Stage {
  readonly index: number
  readonly from: InstructionOf<'from'>
  readonly name?: string
  readonly body: readonly Instruction[]
}

export function parseProgram(name: string, text: string): Program {
  const file = parseDockerfile(name, text)
  const globals: InstructionOf<'arg'>[] = []
  const stages: (Stage & { body: Instruction[] })[] = []
  for (const node of file.instructions) {
    const instruction = decodeInstruction(node, { source: file.source, escape: file.escape })
    const stage = stages.at(-1)
    if (instruction.kind === 'from')
      stages.push({
        index: stages.length,
        from: instruction,
        body: [],
        ...(instruction.name !== undefined && { name: instruction.name }),
      })
    else if (stage) stage.body.push(instruction)
    else if (instruction.kind === 'arg') globals.push(instruction)
    else throw misplaced(file, node)
  }
  const last = file.instructions.at(-1)
  if (stages.length === 0 && last) throw misplaced(file, last)
  return { file, globals, stages }
}

function misplaced(file: Dockerfile, node: InstructionNode): BuildError {
  return new BuildError(
    'invalid',
    `no build stage in current context: the first instruction has to be FROM`,
    { source: file.source, range: node.range },
  )
}
