import type { StepExplanation } from '../../wire/build.ts'

const labels: Readonly<Record<StepExplanation['state'], string>> = {
  hit: 'HIT',
  miss: 'MISS',
  follows: 'FOLLOWS',
}
const colours: Readonly<Record<StepExplanation['state'], string>> = {
  hit: '\x1b[32m',
  miss: '\x1b[31m',
  follows: '\x1b[33m',
}

/** What `build --explain` prints: a line a step, in the order of the Dockerfile. */
export function describeSteps(steps: readonly StepExplanation[], o: { colours: boolean }): string {
  const lines = steps
    .toSorted((a, b) => a.step.startLine - b.step.startLine || a.step.index - b.step.index)
    .map(({ name, state, why }) => {
      const label = labels[state].padEnd(7)
      const shown = o.colours ? `${colours[state]}${label}\x1b[0m` : label
      return `${shown} ${name.replaceAll('\n', ' ')}${why.length > 0 ? `: ${why.join(', ')}` : ''}\n`
    })
  // A base image is there or not.
  const counted = steps.filter(({ step }) => !step.text.startsWith('FROM '))
  const count = (state: StepExplanation['state']) => counted.filter((step) => step.state === state).length
  const [hits, misses, others] = [count('hit'), count('miss'), count('follows')]
  const rest = others > 0 ? `, ${others} may follow` : ''
  return `${lines.join('')}\n${hits} of ${counted.length} steps cached, ${misses} would run${rest}\n`
}
