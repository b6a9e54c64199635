import type { Client } from '../client/index.ts'
import type { Flags, Values } from './flags.ts'
import type { Config } from './config.ts'
import { describeError } from './errors.ts'

/** What a command gets to work with. */
export interface Context {
  /** As typed: `gantry run`. */
  readonly path: string
  /** Connects on first use. */
  readonly client: Client
  /** `~/.docker/config.json`, read on first use. */
  readonly config: Config
  /** Where the daemon is to be found, as told. */
  readonly host: string
  /** What the environment alone says of that. */
  readonly environmentHost: string
  /** The context that is in use. */
  readonly contextName: string
  /** `--debug`: say more. */
  readonly debug: boolean
  out(text: string): void
  err(text: string): void
}

export interface Command<F extends Flags = Flags> {
  /** After the command's name: `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly usage: string
  /** What the help says beyond the line of the table. */
  readonly more?: string
  readonly flags: F
  /** How many arguments it takes. */
  readonly arguments: readonly [min: number, max: number]
  /** False: flags end at the first argument; what follows belongs to the container. */
  readonly interspersed?: boolean
  /** A returned number is the exit code. */
  run(
    context: Context,
    flags: Values<F>,
    parameters: string[],
    given: ReadonlySet<string>,
  ): Promise<number | void>
}

/** Declares a command; infers the flags' types for `run`. */
export function command<const F extends Flags>(definition: Command<F>): Command {
  return definition
}

/** Ends the command with an exit code; an empty message prints nothing. */
export class ExitError extends Error {
  readonly code: number
  constructor(code: number, message = '') {
    super(message)
    this.code = code
  }
}

/** Docker has as many in flight. */
const parallel = 50

/**
 * Calls `work` for each name, many at once, prints what they return in the order of the names, reports failures and goes
 * on. Exit code 1 if any failed.
 */
export async function forEach(
  context: Context,
  names: readonly string[],
  work: (name: string) => Promise<string | undefined>,
): Promise<number> {
  const running: Promise<Outcome>[] = []
  const begin = () => {
    const name = names[running.length]
    if (name !== undefined) running.push(outcomeOf(work(name)))
  }
  for (let i = 0; i < parallel; i++) begin()
  let code = 0
  for (let index = 0; index < names.length; index++) {
    const outcome = await running[index]
    begin()
    if (outcome?.failed) {
      code = 1
      context.err(`${describeError(outcome.error)}\n`)
    } else if (outcome?.text !== undefined) context.out(`${outcome.text}\n`)
  }
  return code
}

interface Outcome {
  readonly failed: boolean
  readonly text?: string | undefined
  readonly error?: unknown
}

function outcomeOf(work: Promise<string | undefined>): Promise<Outcome> {
  return work.then(
    (text) => ({ failed: false, text }),
    (error: unknown) => ({ failed: true, error }),
  )
}
