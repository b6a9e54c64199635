import type { Instruction } from '../dockerfile/instructions.ts'
import type { Program, Stage } from '../dockerfile/stages.ts'

/** The first stage that leads into a circle which the step from one stage to the other closes; none when there is no circle. */
export function firstInCircle(program: Program, o: { from: Stage; to: Stage }): Stage | undefined {
  const needs = new Map(program.stages.map((stage) => [stage, neededBy(program, stage)]))
  const reaches = (start: Stage, end: Stage): boolean => {
    const seen = new Set<Stage>()
    const todo = [start]
    for (let stage = todo.pop(); stage; stage = todo.pop()) {
      if (stage === end) return true
      if (seen.has(stage)) continue
      seen.add(stage)
      todo.push(...(needs.get(stage) ?? []))
    }
    return false
  }
  if (!reaches(o.to, o.from)) return undefined
  return program.stages.find((stage) => reaches(stage, o.from))
}

/** Stages that steps of a stage take from, wherever they stand. BuildKit: what a stage starts from does not count. */
function neededBy(program: Program, stage: Stage): Stage[] {
  const names = stage.body.flatMap(namesIn).map((name) => name.toLowerCase())
  return names.flatMap((name) => program.stages.find((each) => each !== stage && each.name === name) ?? [])
}

function namesIn(i: Instruction): string[] {
  if (i.kind === 'copy' || i.kind === 'add') return i.from ? [i.from.text] : []
  if (i.kind !== 'run') return []
  return i.mounts.flatMap(({ text }) => /(?:^|,)from=([^,]*)/i.exec(text)?.[1] ?? [])
}
