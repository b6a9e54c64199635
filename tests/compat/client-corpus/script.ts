/**
 * Scripts of docker commands, and what docker answers to each, in one text:
 *
 *     # for the reader
 *     $ docker run --rm gtc/base sh -c 'echo out; echo err >&2; exit 7'
 *       out
 *     ! err
 *     = 7
 *     ~ engine: why Gantry's daemon makes docker say something else
 *       what that is
 *     ~ gantry: why our own command line does
 *       what that is
 *
 * A command may go on in lines that start with `> `. No `=` line: exit code 0. `~ gantry` wins over `~ engine`.
 */
export interface Answer {
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  readonly code: number
}

/** Who differs: the daemon, whatever the client, or our command line. */
export type Party = 'engine' | 'gantry'

export interface Step {
  readonly command: string
  readonly answer: Answer
  readonly differs: Partial<Record<Party, { readonly why: string; readonly answer: Answer }>>
}

/** What stands between commands: comments and empty lines. */
export type Part = Step | { readonly comment: string }

export const isStep = (part: Part): part is Step => 'command' in part

interface Draft {
  stdout: string[]
  stderr: string[]
  code: number
}

const draft = (): Draft => ({ stdout: [], stderr: [], code: 0 })

export function parseScript(text: string, file: string): Part[] {
  const parts: Part[] = []
  let step:
    | { command: string; answer: Draft; differs: Record<string, { why: string; answer: Draft }> }
    | undefined
  let answer = draft()
  for (const [at, line] of text.replace(/\n$/, '').split('\n').entries()) {
    const rest = line.slice(2)
    const wrong = () => new Error(`${file}:${at + 1}: ${line}`)
    if (line === '' || line.startsWith('#')) {
      step = undefined
      parts.push({ comment: line })
    } else if (line.startsWith('$ ')) {
      answer = draft()
      step = { command: rest, answer, differs: {} }
      parts.push(step)
    } else if (step === undefined) throw wrong()
    else if (line.startsWith('> ')) step.command += `\n${rest}`
    else if (line.startsWith('  ')) answer.stdout.push(rest)
    else if (line.startsWith('! ') || line === '!') answer.stderr.push(rest)
    else if (line.startsWith('= ')) answer.code = Number(rest)
    else {
      const [, party, why] = /^~ (engine|gantry): (.+)$/.exec(line) ?? []
      if (party === undefined || why === undefined) throw wrong()
      answer = draft()
      step.differs[party] = { why, answer }
    }
  }
  return parts
}

export function printAnswer({ stdout, stderr, code }: Answer): string[] {
  return [
    ...stdout.map((line) => `  ${line}`),
    ...stderr.map((line) => `! ${line}`.trimEnd()),
    ...(code === 0 ? [] : [`= ${code}`]),
  ]
}

export function printScript(parts: readonly Part[]): string {
  const lines = parts.flatMap((part) => {
    if (!isStep(part)) return [part.comment]
    const differs = (['engine', 'gantry'] as const).flatMap((party) => {
      const other = part.differs[party]
      return other === undefined ? [] : [`~ ${party}: ${other.why}`, ...printAnswer(other.answer)]
    })
    return [`$ ${part.command.replaceAll('\n', '\n> ')}`, ...printAnswer(part.answer), ...differs]
  })
  return `${lines.join('\n')}\n`
}

/** What is expected of a client at our daemon. */
export function expected(step: Step, client: 'docker' | 'gantry'): Answer {
  const own = client === 'gantry' ? step.differs.gantry : undefined
  return (own ?? step.differs.engine)?.answer ?? step.answer
}
