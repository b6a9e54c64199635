import { decodeInstruction } from '../dockerfile/decode.ts'
import type { Instruction } from '../dockerfile/instructions.ts'
import { parseDockerfile } from '../dockerfile/parser.ts'
import type { Stage } from '../dockerfile/stages.ts'

/** The instructions that a base image wants to run first in whatever is built on it. Faults are shown at its FROM. */
export function onBuildInstructions(triggers: readonly string[], stage: Stage): Instruction[] {
  return triggers.flatMap((trigger) => {
    const file = parseDockerfile(`ONBUILD of ${stage.from.image.text}`, trigger)
    return file.instructions.map((node) => {
      const instruction = decodeInstruction(node, { source: file.source, escape: file.escape })
      const { range, keywordRange } = stage.from.node
      return { ...instruction, node: { ...node, range, keywordRange } }
    })
  })
}
