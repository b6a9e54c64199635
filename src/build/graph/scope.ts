import { formatPlatform, hostPlatform } from '../../image/index.ts'
import type { Platform } from '../../wire/registry.ts'
import type { Word } from '../dockerfile/instructions.ts'
import { expand, ExpandError, type Expansion } from '../dockerfile/expand.ts'
import type { InstructionNode } from '../dockerfile/parser.ts'
import { BuildError, type Range, type Source } from '../dockerfile/source.ts'
import { trailingCommentHint } from '../dockerfile/decode.ts'
import type { Progress } from '../solver/progress.ts'

/** Build arguments that need no ARG; they reach RUN but are no part of the cache key. */
export const proxyArgs: ReadonlySet<string> = new Set(
  ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((n) => [n, n.toLowerCase()]),
)

export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Docker's name for the architecture this runs on. */
export const hostArchitecture = (): string => hostPlatform().architecture

/** ARGs that exist without being given: global before the first FROM, in a stage after `ARG NAME`. */
export function platformArgs(o: { stage: string; build: Platform; target: Platform }): Map<string, string> {
  const values = new Map<string, string>()
  for (const [side, platform] of [
    ['BUILD', o.build],
    ['TARGET', o.target],
  ] as const) {
    values.set(`${side}PLATFORM`, formatPlatform(platform))
    values.set(`${side}OS`, platform.os)
    values.set(`${side}OSVERSION`, '')
    values.set(`${side}ARCH`, platform.architecture)
    values.set(`${side}VARIANT`, platform.variant ?? '')
  }
  return values.set('TARGETSTAGE', o.stage)
}

/** Where a text stands and who hears of mistakes in it. */
export interface Site {
  readonly source: Source
  readonly escape: '\\' | '`'
  readonly node: InstructionNode
  readonly progress: Progress
}

export function fail(
  site: Site,
  message: string,
  range?: Range,
  kind: 'invalid' | 'unsupported' | 'forbidden' | 'not-found' = 'invalid',
): BuildError {
  const hint = site.node.keyword.toUpperCase() === 'RUN' ? '' : trailingCommentHint(site.node)
  return new BuildError(kind, message + hint, { source: site.source, range: range ?? site.node.range })
}

/** Expands a word's variables; faults point at the word. */
export function expandWord(word: Word, variables: ReadonlyMap<string, string>, site: Site): Expansion {
  try {
    return expand(word.text, variables, { escape: site.escape })
  } catch (cause) {
    if (!(cause instanceof ExpandError)) throw cause
    const at = word.logical?.range(cause.offset, cause.offset + 1) ?? word.range
    throw fail(site, `failed to process ${JSON.stringify(word.text)}: ${cause.message}`, at)
  }
}

/** The variables of one stage. Of ENV and ARG of the same name the last one counts, in BuildKit too. */
export class Scope {
  /** ENV, and what an ARG put in its place for the rest of the stage. */
  readonly #env: Map<string, string>
  readonly #args: Map<string, string | undefined>
  /** ARGs of this stage, not of those below it. */
  readonly #own = new Set<string>()

  constructor(env: ReadonlyMap<string, string>, args: ReadonlyMap<string, string | undefined> = new Map()) {
    this.#env = new Map(env)
    this.#args = new Map(args)
  }

  /** For a stage built on another: its ARGs stay known. */
  get args(): ReadonlyMap<string, string | undefined> {
    return this.#args
  }

  setEnv(name: string, value: string): void {
    this.#env.set(name, value)
  }

  setArg(name: string, value: string | undefined): void {
    this.#args.set(name, value)
    this.#own.add(name)
    if (value !== undefined && this.#env.has(name)) this.#env.set(name, value)
  }

  variables(): Map<string, string> {
    const all = new Map<string, string>()
    for (const [name, value] of this.#args) if (value !== undefined) all.set(name, value)
    for (const [name, value] of this.#env) all.set(name, value)
    return all
  }

  /** What a RUN sees: `NAME=value`, ENV first. */
  processEnv(): string[] {
    const all = new Map(this.#env)
    for (const [name, value] of this.#args)
      if (value !== undefined && !all.has(name) && !proxyArgs.has(name)) all.set(name, value)
    if (!all.has('PATH')) all.set('PATH', defaultPath)
    return [...all].map(([name, value]) => `${name}=${value}`)
  }

  /** Docker's history prefix `|1 V=1 ` of a RUN that sees ARGs of its stage. */
  historyPrefix(): string {
    const shown = [...this.#own].map((name) => `${name}=${this.#env.get(name) ?? this.#args.get(name) ?? ''}`)
    return shown.length === 0 ? '' : `|${shown.length} ${shown.join(' ')} `
  }
}

export function envMap(entries: readonly string[]): Map<string, string> {
  return new Map(
    entries.map((entry) => {
      const equals = entry.indexOf('=')
      return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)]
    }),
  )
}
