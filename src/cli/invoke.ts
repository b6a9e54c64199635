/** Runs one command of the table: its flags, the number of its arguments, its help. */
import type { Command, Context } from './command.ts'
import { ExitError } from './command.ts'
import { FlagError, HelpRequest, parseFlags } from './flags.ts'
import type { Entry } from './table.ts'
import { writeText } from './text.ts'

export interface Found {
  readonly entry: Entry
  /** As typed, without `gantry`. */
  readonly name: string
  readonly rest: string[]
}

export async function invoke({ entry, name, rest }: Found, context: Context): Promise<number> {
  const { path } = context
  if (!entry.load) throw new ExitError(1, `${path}: ${entry.missing}`)
  const definition = await entry.load()
  let parsed
  try {
    parsed = parseFlags(definition.flags, rest, { interspersed: definition.interspersed ?? true })
  } catch (error) {
    if (error instanceof HelpRequest) {
      const { commandHelp } = await import('./help.ts')
      writeText(1, commandHelp(name, entry, definition))
      return 0
    }
    if (!(error instanceof FlagError)) throw error
    // Docker's own commands fail so; compose is a program of its own, which fails with 1.
    const code = /^compose\b/.test(name) ? 1 : 125
    throw new ExitError(code, `${error.message}\n\n${usageOf(path, definition)}`)
  }
  const wrong = wrongCount(definition, parsed.rest.length)
  if (wrong) {
    const usage = usageOf(path, definition)
    // Docker: "See" where there is a least number of arguments, "Run" elsewhere.
    const least = wrong.includes('at least') && !wrong.includes('at most')
    const hint = least ? usage.replace(/Run(?= '[^']*' for more)/, 'See') : usage
    throw new ExitError(1, `gantry: '${path}' ${wrong}\n\n${hint}`)
  }
  return (await definition.run(context, parsed.values, parsed.rest, parsed.given)) ?? 0
}

function usageOf(path: string, definition: Command): string {
  return `Usage:  ${path} ${definition.usage}\n\nRun '${path} --help' for more information`
}

function wrongCount(definition: Command, count: number): string | undefined {
  const [min, max] = definition.arguments
  const plural = (n: number) => `${n} argument${n === 1 ? '' : 's'}`
  if (count >= min && count <= max) return undefined
  if (max === 0) return 'accepts no arguments'
  if (min === max) return `requires ${plural(min)}`
  if (count < min)
    return max === Infinity
      ? `requires at least ${plural(min)}`
      : `requires at least ${min} and at most ${plural(max)}`
  return `requires at most ${plural(max)}`
}
