import { EngineError } from '../../lib/errors.ts'
import { parseDuration } from '../../lib/units.ts'
import type { HealthConfig } from '../../wire/container.ts'
import type { Assignment, CommandLine, Instruction, Word } from './instructions.ts'
import { checkMountFlag } from './mounts.ts'
import { findHeredocs, wordSpans, type InstructionNode, type LogicalText } from './parser.ts'
import { BuildError, type Range, type Source } from './source.ts'
import { didYouMean } from './suggest.ts'

/** What decoding needs to know of the file a node came from. */
export interface DecodeContext {
  readonly source: Source
  readonly escape: '\\' | '`'
}

const keywords = ['ADD', 'ARG', 'CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'FROM', 'HEALTHCHECK', 'LABEL']
keywords.push('MAINTAINER', 'ONBUILD', 'RUN', 'SHELL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR')

/** Syntax node → typed instruction. Throws BuildError with docker's text and the place of the fault. */
export function decodeInstruction(node: InstructionNode, context: DecodeContext): Instruction {
  return new Decoder(node, context).decode()
}

/** Text for people who wrote a comment behind an instruction, or nothing. */
export function trailingCommentHint(node: InstructionNode): string {
  if (!/\s#(?:\s|$)/.test(node.args.text)) return ''
  return ' (a "#" behind an instruction does not start a comment: comments need a line of their own)'
}

class Decoder {
  readonly #node: InstructionNode
  readonly #context: DecodeContext
  readonly #name: string
  #args: LogicalText
  readonly #flags = new Map<string, Word>()
  /** Flags that may come several times, in order. */
  readonly #repeated = new Map<string, Word[]>()

  constructor(node: InstructionNode, context: DecodeContext) {
    this.#node = node
    this.#context = context
    this.#name = node.keyword.toUpperCase()
    this.#args = node.args
  }

  decode(): Instruction {
    const node = this.#node
    if (!keywords.includes(this.#name))
      throw this.#error(
        `unknown instruction: ${node.keyword}${didYouMean(node.keyword, keywords)}`,
        node.keywordRange,
      )
    this.#takeFlags()
    const instruction = this.#dispatch()
    for (const [flag, word] of this.#flags) throw this.#error(`unknown flag: --${flag}`, word.range)
    return instruction
  }

  #dispatch(): Instruction {
    const node = this.#node
    switch (this.#name) {
      case 'FROM':
        return this.#from()
      case 'RUN':
        return this.#run()
      case 'COPY':
        return this.#copy('copy')
      case 'ADD':
        return this.#copy('add')
      case 'WORKDIR':
        return { kind: 'workdir', node, path: this.#single() }
      case 'ENV':
        return { kind: 'env', node, pairs: this.#pairs() }
      case 'LABEL':
        return { kind: 'label', node, pairs: this.#pairs() }
      case 'ARG':
        return this.#arg()
      case 'EXPOSE':
        return { kind: 'expose', node, ports: this.#list() }
      case 'USER':
        return { kind: 'user', node, user: this.#single() }
      case 'VOLUME':
        return { kind: 'volume', node, paths: this.#volumes() }
      case 'CMD':
        return { kind: 'cmd', node, command: this.#command() }
      case 'ENTRYPOINT':
        return { kind: 'entrypoint', node, command: this.#command() }
      case 'STOPSIGNAL':
        return { kind: 'stopsignal', node, signal: this.#single() }
      case 'SHELL':
        return this.#shell()
      case 'HEALTHCHECK':
        return this.#healthcheck()
      case 'ONBUILD':
        return this.#onbuild()
      default:
        return { kind: 'maintainer', node, name: this.#single().text }
    }
  }

  /** Leading `--name[=value]` words, for every instruction alike. */
  #takeFlags(): void {
    for (;;) {
      const [span] = wordSpans(this.#args.text, this.#context.escape, 1)
      if (!span) return
      const text = this.#args.text.slice(span.start, span.end)
      if (!text.startsWith('--')) return
      const rest = this.#args.rest(span.end)
      if (text === '--') {
        this.#args = rest
        return
      }
      const equals = text.indexOf('=')
      const name = equals < 0 ? text.slice(2) : text.slice(2, equals)
      const valueStart = equals < 0 ? span.end : span.start + equals + 1
      const value = this.#word(valueStart, span.end)
      const range = equals < 0 ? this.#args.range(span.start, span.end) : value.range
      const several = this.#repeated.get(name) ?? []
      if (['mount', 'exclude'].includes(name)) {
        several.push({ ...value, range })
        this.#repeated.set(name, several)
      } else if (this.#flags.has(name)) throw this.#error(`duplicate flag specified: --${name}`, range)
      this.#flags.set(name, { ...value, range })
      this.#args = rest
    }
  }

  #flag(name: string): Word | undefined {
    const word = this.#flags.get(name)
    this.#flags.delete(name)
    if (word?.text === '') throw this.#error(`missing a value on flag: --${name}`, word.range)
    return word
  }

  /** A flag's values, quotes and escapes taken away: what is in them is split at commas. */
  #listFlag(name: string): Word[] {
    const words = this.#repeated.get(name) ?? []
    this.#flags.delete(name)
    return words.map((word) => {
      const { range } = word
      const text = unquote(word.text, this.#context.escape)
      if (text === '') throw this.#error(`missing a value on flag: --${name}`, range)
      return { text, range }
    })
  }

  #mounts(): Word[] {
    const words = this.#listFlag('mount')
    for (const word of words)
      try {
        checkMountFlag(word.text)
      } catch (cause) {
        if (!(cause instanceof EngineError)) throw cause
        throw this.#error(cause.message, word.range)
      }
    return words
  }

  #boolFlag(name: string): boolean {
    const word = this.#flags.get(name)
    this.#flags.delete(name)
    if (!word || word.text === 'false') return false
    if (word.text === '' || word.text === 'true') return true
    throw this.#error(`expecting boolean value for flag --${name}, not: ${word.text}`, word.range)
  }

  #refuseDevices(): void {
    const word = this.#flags.get('device')
    if (!word) return
    const why = 'RUN --device is not supported: build steps get no devices of this host'
    throw this.#error(why, word.range, 'unsupported')
  }

  /** BuildKit: a flag with a few values is no place for variables. */
  #oneOf(name: string, what: string, values: readonly string[]): Word | undefined {
    const word = this.#flag(name)
    if (!word || values.includes(word.text)) return word
    const hint = didYouMean(word.text, values)
    throw this.#error(`invalid ${what} ${JSON.stringify(word.text)}${hint}`, word.range)
  }

  #from(): Instruction {
    const platform = this.#flag('platform')
    const [image, as, name, ...more] = this.#words()
    if (!image || more.length > 0 || (as && (!name || as.text.toLowerCase() !== 'as')))
      throw this.#error('FROM requires either one or three arguments')
    if (name && !/^[a-z][a-z0-9-_.]*$/.test(name.text.toLowerCase()))
      throw this.#error(
        `invalid name for build stage: ${JSON.stringify(name.text)}, name can't start with a number or contain symbols`,
        name.range,
      )
    return {
      kind: 'from',
      node: this.#node,
      image,
      ...(name && { name: name.text.toLowerCase() }),
      ...(platform && { platform }),
    }
  }

  #run(): Instruction {
    const mounts = this.#mounts()
    this.#refuseDevices()
    const network = this.#oneOf('network', 'network mode', ['default', 'none', 'host'])
    const security = this.#oneOf('security', 'security mode', ['sandbox', 'insecure'])
    const command = this.#command()
    return {
      kind: 'run',
      node: this.#node,
      command,
      heredocs: this.#node.heredocs,
      mounts,
      ...(network && { network }),
      ...(security && { security }),
    }
  }

  #copy(kind: 'copy' | 'add'): Instruction {
    const add = kind === 'add'
    const checksum = add ? this.#flag('checksum') : undefined
    const unpack = add && this.#flags.has('unpack') ? this.#boolFlag('unpack') : undefined
    const keepGitDir = add && this.#boolFlag('keep-git-dir')
    const from = kind === 'copy' ? this.#flag('from') : undefined
    const chown = this.#flag('chown')
    const chmod = this.#flag('chmod')
    const link = this.#boolFlag('link')
    const parents = kind === 'copy' && this.#boolFlag('parents')
    const excludes = this.#listFlag('exclude')
    const words = this.#json() ?? this.#words()
    const target = words.pop()
    if (!target || words.length === 0)
      throw this.#error(
        `${this.#name} requires at least two arguments, but only one was provided. Destination could not be determined`,
      )
    const isHeredoc = (word: Word) => findHeredocs(word.text, this.#context.escape).length > 0
    if (isHeredoc(target))
      throw this.#error(`${this.#name} cannot accept a heredoc as a destination`, target.range)
    return {
      kind,
      node: this.#node,
      sources: words.filter((word) => !isHeredoc(word)),
      heredocs: this.#node.heredocs,
      target,
      link,
      parents,
      excludes,
      keepGitDir,
      ...(checksum && { checksum }),
      ...(unpack !== undefined && { unpack }),
      ...(from && { from }),
      ...(chown && { chown }),
      ...(chmod && { chmod }),
    }
  }

  #arg(): Instruction {
    const args = this.#shellWords().map((word) => {
      const equals = word.text.indexOf('=')
      const key = equals < 0 ? word : this.#part(word, 0, equals)
      if (key.text === '') throw this.#error('ARG names can not be blank', word.range)
      return equals < 0 ? { key } : { key, value: this.#part(word, equals + 1, word.text.length) }
    })
    if (args.length === 0) throw this.#error('ARG requires at least one argument')
    return { kind: 'arg', node: this.#node, args }
  }

  #pairs(): Assignment[] {
    const words = this.#shellWords()
    const first = words[0]
    if (!first) throw this.#error(`${this.#name} requires at least one argument`)
    // The old form `ENV name any text`.
    if (!first.text.includes('=')) {
      const text = this.#args.text
      const gap = /\s+/.exec(text)
      if (!gap) throw this.#fault(`${this.#name} must have two arguments`)
      return [{ key: this.#word(0, gap.index), value: this.#word(gap.index + gap[0].length, text.length) }]
    }
    return words.map((word) => {
      const equals = word.text.indexOf('=')
      if (equals < 0)
        throw this.#fault(
          `Syntax error - can't find = in ${JSON.stringify(word.text)}. Must be of the form: name=value`,
          word.range,
        )
      if (equals === 0) throw this.#error(`${this.#name} names can not be blank`, word.range)
      return { key: this.#part(word, 0, equals), value: this.#part(word, equals + 1, word.text.length) }
    })
  }

  #shell(): Instruction {
    const { args, form } = this.#command()
    if (form !== 'exec') throw this.#error('SHELL requires the arguments to be in JSON form')
    if (args.length === 0) throw this.#error('SHELL requires at least one argument')
    return { kind: 'shell', node: this.#node, shell: args }
  }

  #healthcheck(): Instruction {
    const type = /^\S+/.exec(this.#args.text)?.[0] ?? ''
    if (type === '') throw this.#error('HEALTHCHECK requires at least one argument')
    const typeRange = this.#args.range(0, type.length)
    this.#args = this.#args.rest(type.length)
    const health: HealthConfig = {}
    if (type.toUpperCase() === 'NONE') {
      if (this.#args.text !== '') throw this.#error('HEALTHCHECK NONE takes no arguments')
      return { kind: 'healthcheck', node: this.#node, health: { Test: ['NONE'] } }
    }
    if (type.toUpperCase() !== 'CMD')
      throw this.#error(
        `Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`,
        typeRange,
      )
    const { args, form } = this.#command()
    if (args.length === 0) throw this.#error('Missing command after HEALTHCHECK CMD')
    health.Test = [form === 'exec' ? 'CMD' : 'CMD-SHELL', ...args]
    for (const [flag, field] of [
      ['interval', 'Interval'],
      ['timeout', 'Timeout'],
      ['start-period', 'StartPeriod'],
      ['start-interval', 'StartInterval'],
    ] as const) {
      const word = this.#flag(flag)
      const value = word && this.#duration(word, flag)
      if (value) health[field] = value
    }
    const retries = this.#flag('retries')
    if (retries && !/^[+-]?\d+$/.test(retries.text))
      throw this.#error(`invalid number of retries: ${retries.text}`, retries.range)
    if (retries && Number(retries.text) < 0)
      throw this.#error(`--retries cannot be negative (${retries.text})`, retries.range)
    if (retries && Number(retries.text) > 0) health.Retries = Number(retries.text)
    return { kind: 'healthcheck', node: this.#node, health }
  }

  #duration(word: Word, flag: string): number {
    try {
      const value = parseDuration(word.text)
      if (value !== 0 && value < 1e6)
        throw new EngineError('invalid', `Interval ${JSON.stringify(flag)} cannot be less than 1ms`)
      return value
    } catch (cause) {
      if (!(cause instanceof EngineError)) throw cause
      throw this.#error(cause.message, word.range)
    }
  }

  #onbuild(): Instruction {
    const expression = this.#args.text
    const trigger = (/^\S+/.exec(expression)?.[0] ?? '').toUpperCase()
    if (trigger === '') throw this.#error('ONBUILD requires at least one argument')
    if (trigger === 'ONBUILD') throw this.#error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if (trigger === 'FROM' || trigger === 'MAINTAINER')
      throw this.#error(`${trigger} isn't allowed as an ONBUILD trigger`)
    if (!keywords.includes(trigger))
      throw this.#error(`unknown instruction: ${trigger}${didYouMean(trigger, keywords)}`)
    const heredocs = this.#node.heredocs.map((doc) => `\n${doc.content}${doc.name}`).join('')
    return { kind: 'onbuild', node: this.#node, expression: expression + heredocs }
  }

  #command(): CommandLine {
    const text = this.#args.text
    if (text === '') return { args: [], form: 'shell' }
    const array = this.#json()
    if (array) return { args: array.map((word) => word.text), form: 'exec' }
    return { args: [text], form: 'shell' }
  }

  /** The arguments as a JSON array of strings; undefined when they are none. Docker: a broken array is shell form. */
  #json(): Word[] | undefined {
    const text = this.#args.text
    if (!text.startsWith('[')) return undefined
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return undefined
    }
    if (!Array.isArray(value)) return undefined
    const range = this.#args.range(0, text.length)
    return value.map((item: unknown) => {
      if (typeof item !== 'string')
        throw this.#fault('when using JSON array syntax, arrays must be comprised of strings only', range)
      return { text: item, range }
    })
  }

  #volumes(): Word[] {
    const paths = this.#jsonOrList()
    const empty = paths.find(({ text }) => text === '')
    if (empty) throw this.#error('VOLUME specified can not be an empty string', empty.range)
    return paths
  }

  #jsonOrList(): Word[] {
    const words = this.#json() ?? this.#words()
    if (words.length === 0) throw this.#error(`${this.#name} requires at least one argument`)
    return words
  }

  #list(): Word[] {
    const words = this.#words()
    if (words.length === 0) throw this.#error(`${this.#name} requires at least one argument`)
    return words
  }

  #single(): Word {
    const text = this.#args.text
    if (text === '') throw this.#error(`${this.#name} requires exactly one argument`)
    return this.#word(0, text.length)
  }

  /** Split at white space alone: quotes keep nothing together here. */
  #words(): Word[] {
    return [...this.#args.text.matchAll(/\S+/g)].map((m) => this.#word(m.index, m.index + m[0].length))
  }

  /** Split as a shell does; quotes stay inside for the expansion. */
  #shellWords(): Word[] {
    return wordSpans(this.#args.text, this.#context.escape).map((span) => this.#word(span.start, span.end))
  }

  #word(start: number, end: number): Word {
    const logical = this.#args.slice(start, end)
    return { text: logical.text, range: this.#args.range(start, end), logical }
  }

  #part(word: Word, start: number, end: number): Word {
    const logical = word.logical?.slice(start, end)
    return {
      text: word.text.slice(start, end),
      range: word.logical?.range(start, end) ?? word.range,
      ...(logical && { logical }),
    }
  }

  #error(message: string, range?: Range, kind: 'invalid' | 'unsupported' = 'invalid'): BuildError {
    const line = this.#node.range.start.line
    return this.#fault(`dockerfile parse error on line ${line}: ${message}`, range, kind)
  }

  /** BuildKit: what is wrong before an instruction is understood comes without words in front. */
  #fault(message: string, range?: Range, kind: 'invalid' | 'unsupported' = 'invalid'): BuildError {
    const hint = trailingCommentHint(this.#node)
    return new BuildError(kind, message + hint, {
      source: this.#context.source,
      range: range ?? this.#node.range,
    })
  }
}

/** As BuildKit reads flags: quotes group, the escape character takes the next one as it is. */
function unquote(text: string, escape: string): string {
  let out = ''
  let quote = ''
  for (let i = 0; i < text.length; i++) {
    const ch = text[i] ?? ''
    if (ch === escape) out += text[++i] ?? ''
    else if (quote === '' && (ch === '"' || ch === "'")) quote = ch
    else if (ch === quote) quote = ''
    else out += ch
  }
  return out
}
