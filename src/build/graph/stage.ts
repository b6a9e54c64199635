import { EngineError, hasCode, messageOf } from '../../lib/errors.ts'
import { cleanPath, IgnoreMatcher } from '../../lib/ignore.ts'
import type { Op } from '../../lib/op.ts'
import { parseSignal } from '../../lib/signals.ts'
import { formatDuration } from '../../lib/units.ts'
import type { HealthConfig } from '../../wire/container.ts'
import { below } from '../context/below.ts'
import { excludePatterns } from '../dockerfile/excludes.ts'
import { expand } from '../dockerfile/expand.ts'
import type { CommandLine, Instruction, InstructionOf, Word } from '../dockerfile/instructions.ts'
import { findHeredocs, type Heredoc } from '../dockerfile/parser.ts'
import { BuildError, type Range } from '../dockerfile/source.ts'
import type { Stage } from '../dockerfile/stages.ts'
import { makeVertex, type Json, type Vertex, type Work } from '../solver/vertex.ts'
import type { ConvertedStage, Converter } from './convert.ts'
import { addHistory, type ImageDraft } from './image-draft.ts'
import { planMounts } from './mounts.ts'
import { parsePort } from './ports.ts'
import { envMap, expandWord, fail, Scope, type Site } from './scope.ts'
import { StepCounter } from './steps.ts'
import type { Tree } from './tree.ts'
import { MissingSource, type CopyStep, type RunStep, type WorkdirStep } from './works.ts'

/** Reads one stage's instructions in order: each changes the image's config or adds a vertex. */
export class StageBuilder {
  readonly #converter: Converter
  readonly #stage: Stage
  readonly #draft: ImageDraft
  readonly #scope: Scope
  readonly #steps: StepCounter
  readonly #instructions: readonly Instruction[]
  #cmdSet = false

  constructor(
    converter: Converter,
    stage: Stage,
    base: {
      draft: ImageDraft
      args: ReadonlyMap<string, string | undefined>
      fromImage: boolean
      triggers: readonly Instruction[]
    },
  ) {
    this.#converter = converter
    this.#stage = stage
    this.#draft = base.draft
    this.#scope = new Scope(envMap(base.draft.config.Env ?? []), base.args)
    const { fromImage, triggers } = base
    this.#steps = new StepCounter(converter.program, stage, { fromImage, triggers: triggers.length })
    if (fromImage) this.#steps.next(stage.from, '')
    this.#instructions = [...triggers, ...stage.body]
  }

  async build(op: Op): Promise<ConvertedStage> {
    for (const instruction of this.#instructions) await this.#apply(op, instruction)
    return { draft: this.#draft, scope: this.#scope }
  }

  async #apply(op: Op, i: Instruction): Promise<void> {
    const site = this.#converter.site(i)
    const { config } = this.#draft
    switch (i.kind) {
      case 'from':
        throw new Error('FROM starts a stage and is never inside one')
      case 'run':
        return await this.#run(op, i, site)
      case 'copy':
      case 'add':
        return await this.#copy(op, i, site)
      case 'workdir':
        return this.#workdir(i, site)
      case 'env':
        return this.#env(i, site)
      case 'label': {
        const labels = (config.Labels ??= {})
        const shown = this.#pairs(i.pairs, site).map(({ key, value }) => {
          labels[key] = value
          return ` ${key}=${value}`
        })
        return this.#note(`LABEL${shown.join('')}`)
      }
      case 'arg':
        return this.#arg(i, site)
      case 'expose':
        return this.#expose(i, site)
      case 'user':
        config.User = this.#text(i.user, site)
        return this.#note(`USER ${config.User}`)
      case 'volume': {
        const paths = i.paths.map((path) => this.#text(path, site))
        if (paths.includes('')) throw fail(site, 'VOLUME specified can not be an empty string')
        for (const path of paths) (config.Volumes ??= {})[path] = {}
        return this.#note(`VOLUME [${paths.join(' ')}]`)
      }
      case 'cmd':
        config.Cmd = this.#commandLine(i.command)
        config.ArgsEscaped = true
        this.#cmdSet = true
        return this.#note(`CMD ${quoteList(config.Cmd)}`)
      case 'entrypoint':
        config.Entrypoint = this.#commandLine(i.command)
        // Docker: a new entry point makes the base image's CMD meaningless.
        if (!this.#cmdSet) delete config.Cmd
        return this.#note(`ENTRYPOINT ${quoteList(config.Entrypoint)}`)
      case 'stopsignal':
        return this.#stopSignal(i, site)
      case 'shell':
        config.Shell = [...i.shell]
        return this.#note(`SHELL [${i.shell.join(' ')}]`)
      case 'healthcheck':
        config.Healthcheck = i.health
        return this.#note(`HEALTHCHECK ${showHealth(i.health)}`)
      case 'onbuild':
        ;(config.OnBuild ??= []).push(i.expression)
        return
      case 'maintainer':
        this.#draft.author = i.name
        return this.#note(`MAINTAINER ${i.name}`)
    }
  }

  async #run(op: Op, i: InstructionOf<'run'>, site: Site): Promise<void> {
    const { args, script } = this.#runArguments(i, site)
    const plan = await planMounts(i.mounts, {
      site,
      cwd: this.#draft.config.WorkingDir || '/',
      variables: this.#scope.variables(),
      context: (paths) => this.#converter.context(paths),
      from: (name, range) =>
        name === 'scratch'
          ? Promise.resolve(undefined)
          : this.#converter.source(op, name, { stage: this.#stage, site, range }),
    })
    const { settings } = this.#converter.options
    const network = i.network?.text === 'none' ? 'none' : this.#converter.options.network
    const step: RunStep = {
      args,
      env: this.#scope.processEnv(),
      proxyEnv: this.#proxyEnv(),
      cwd: this.#draft.config.WorkingDir || '/',
      user: this.#draft.config.User ?? '',
      network,
      onBase: this.#draft.tree !== undefined,
      mounts: plan.mounts,
      ...(settings && { settings }),
      ...(script && { script }),
    }
    const { proxyEnv: _proxy, ...definition } = step
    const shown =
      i.node.heredocs.length > 0 ? `${i.node.original} (${summary(i.node.heredocs)})` : i.node.original
    const vertex = this.#vertex(i, shown, {
      definition: ['run', definition as unknown as Json],
      inputs: plan.inputs,
      words: plan.words,
      work: this.#converter.options.works.run(step),
    })
    addHistory(this.#draft, `RUN ${this.#scope.historyPrefix()}${args.join(' ')} # buildkit`, vertex)
  }

  /** BuildKit: a lone here-document is the script itself; with a `#!` it is a file to run; anything else is left to the shell. */
  #runArguments(
    i: InstructionOf<'run'>,
    site: Site,
  ): { args: string[]; script?: NonNullable<RunStep['script']> } {
    const text = i.command.args[0] ?? ''
    const first = i.heredocs[0]
    if (!first || i.command.form === 'exec') return { args: this.#commandLine(i.command) }
    const [only] = findHeredocs(text, site.escape)
    if (only?.length === text.length) {
      const data = contentOf(first)
      if (data.startsWith('#!'))
        return { args: [`/dev/pipes/${first.name}`], script: { name: first.name, data } }
      return { args: [...this.#shell(), data] }
    }
    const documents = i.heredocs.map((doc) => `\n${doc.content}${doc.name}`)
    return { args: [...this.#shell(), text + documents.join('')] }
  }

  async #copy(op: Op, i: InstructionOf<'copy' | 'add'>, site: Site): Promise<void> {
    const name = i.kind.toUpperCase()
    if (i.from && /\$/.test(i.from.text))
      throw fail(
        site,
        `variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround`,
        i.from.range,
      )
    const sources = i.sources.map((word) => this.#source(word, i, site))
    const patterns = i.parents ? sources.map(withParents) : sources
    const target = this.#copyTarget(i, site)
    const excludes = i.excludes.map((word) => this.#exclude(word, site))
    if (sources.length + i.heredocs.length > 1 && !target.endsWith('/'))
      throw fail(
        site,
        `When using ${name} with more than one source file, the destination must be a directory and end with a /`,
        i.target.range,
      )
    const chown = i.chown && this.#text(i.chown, site)
    const mode = i.chmod && this.#mode(i.chmod, site)
    // A linked copy stands on nothing, and finds no link of the base to follow.
    const base = i.link ? undefined : this.#draft.tree
    const step: CopyStep = {
      sources: patterns,
      inline: i.heredocs.map((doc) => ({ name: doc.name, data: this.#document(doc, i, site) })),
      from: i.from ? 'tree' : 'context',
      target: i.parents && !target.endsWith('/') ? `${target}/` : target,
      parents: i.parents,
      excludes,
      extract: i.kind === 'add',
      link: i.link,
      onBase: base !== undefined,
      ...(chown !== undefined && { chown }),
      ...(mode !== undefined && { mode }),
    }
    const from = await this.#copySource(op, i, { site, sources: patterns })
    const vertex = this.#vertex(i, i.node.original, {
      definition: ['copy', step as unknown as Json],
      words: new Map(patterns.map((source, index) => [source, i.sources[index]?.range ?? i.node.range])),
      work: this.#converter.options.works.copy(step),
      inputs: from ? [from] : [],
      alone: i.link,
    })
    const flags = [
      chown !== undefined && `--chown=${chown}`,
      i.chmod && `--chmod=${i.chmod.text}`,
      i.link && '--link',
      i.parents && '--parents',
      ...excludes.map((pattern) => `--exclude=${pattern}`),
    ].filter(Boolean)
    const shown = [...flags, ...sources, ...i.heredocs.map((doc) => `<<${doc.name}`)]
    const createdBy = `${name} ${shown.join(' ')} ${this.#text(i.target, site)} # buildkit`
    addHistory(this.#draft, createdBy, i.link ? this.#stacked(vertex) : vertex)
  }

  /** What stands by itself, put on the tree so far. */
  #stacked(vertex: Vertex<Tree>): Vertex<Tree> {
    const { tree } = this.#draft
    if (!tree) return vertex
    const work = this.#converter.options.works.stack()
    return makeVertex('stack', { name: vertex.name, inputs: [tree, vertex], work, hidden: true })
  }

  async #copySource(op: Op, i: InstructionOf<'copy' | 'add'>, o: { site: Site; sources: readonly string[] }) {
    if (o.sources.length === 0) return undefined
    if (!i.from) return this.#converter.context(o.sources)
    const { text, range } = i.from
    const tree = await this.#converter.source(op, text, { stage: this.#stage, site: o.site, range })
    if (!tree) throw fail(o.site, `COPY --from=${text}: that stage has no files`, range)
    return tree
  }

  #exclude(word: Word, site: Site): string {
    const text = this.#text(word, site)
    try {
      void new IgnoreMatcher(excludePatterns([text]))
    } catch (cause) {
      throw fail(site, messageOf(cause), word.range)
    }
    return text
  }

  #source(word: Word, i: InstructionOf<'copy' | 'add'>, site: Site): string {
    const text = this.#text(word, site)
    if (i.kind === 'add' && /^(https?|ftp):\/\/|^git@|\.git(#.*)?$/.test(text))
      throw fail(site, `ADD of a URL is not supported yet: ${text}`, word.range, 'unsupported')
    return text
  }

  #copyTarget(i: InstructionOf<'copy' | 'add'>, site: Site): string {
    const text = this.#text(i.target, site)
    const absolute = cleanPath(
      text.startsWith('/') ? text : `${this.#draft.config.WorkingDir || '/'}/${text}`,
    )
    const directory = text === '' || /(^|\/)\.{0,2}$/.test(text)
    return directory && absolute !== '/' ? `${absolute}/` : absolute
  }

  #document(doc: Heredoc, i: Instruction, site: Site): string {
    const content = contentOf(doc)
    if (!doc.expand) return content
    try {
      return expand(content, this.#scope.variables(), { escape: site.escape, keepQuotes: true }).text
    } catch (cause) {
      throw fail(site, `failed to process here-document ${doc.name}: ${messageOf(cause)}`, i.node.range)
    }
  }

  #mode(word: Word, site: Site): number {
    const text = this.#text(word, site)
    if (!/^[0-7]{3,5}$/.test(text) || Number.parseInt(text, 8) > 0o7777)
      throw fail(
        site,
        `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
        word.range,
      )
    return Number.parseInt(text, 8)
  }

  #workdir(i: InstructionOf<'workdir'>, site: Site): void {
    const { config } = this.#draft
    const text = this.#text(i.path, site)
    if (text === '') throw fail(site, 'cannot normalize nothing', i.path.range)
    const path = cleanPath(text.startsWith('/') ? text : `${config.WorkingDir || '/'}/${text}`)
    config.WorkingDir = path
    if (path === '/') return this.#note(`WORKDIR ${path}`)
    const step: WorkdirStep = { path, user: config.User ?? '', onBase: this.#draft.tree !== undefined }
    const vertex = this.#vertex(i, i.node.original, {
      definition: ['workdir', step as unknown as Json],
      work: this.#converter.options.works.workdir(step),
    })
    addHistory(this.#draft, `WORKDIR ${path}`, vertex)
  }

  #env(i: InstructionOf<'env'>, site: Site): void {
    const env = envMap(this.#draft.config.Env ?? [])
    const pairs = this.#pairs(i.pairs, site)
    for (const { key, value } of pairs) {
      env.set(key, value)
      this.#scope.setEnv(key, value)
    }
    this.#draft.config.Env = [...env].map(([key, value]) => `${key}=${value}`)
    this.#note(`ENV${pairs.map(({ key, value }) => ` ${key}=${value}`).join('')}`)
  }

  #arg(i: InstructionOf<'arg'>, site: Site): void {
    const { buildArgs } = this.#converter.options
    const shown: string[] = []
    for (const { key, value } of i.args) {
      const name = this.#text(key, site)
      const known = value ? this.#text(value, site) : this.#converter.globals.get(name)
      const effective = Object.hasOwn(buildArgs, name) ? buildArgs[name] : known
      this.#scope.setArg(name, effective)
      shown.push(effective === undefined ? name : `${name}=${effective}`)
    }
    this.#note(`ARG ${shown.join(' ')}`)
  }

  #expose(i: InstructionOf<'expose'>, site: Site): void {
    const ports: string[] = []
    for (const word of i.ports)
      for (const text of expandWord(word, this.#scope.variables(), site).words)
        try {
          ports.push(...parsePort(text))
        } catch (cause) {
          throw fail(site, messageOf(cause), word.range)
        }
    for (const port of ports) (this.#draft.config.ExposedPorts ??= {})[port] = {}
    this.#note(`EXPOSE [${ports.join(' ')}]`)
  }

  #stopSignal(i: InstructionOf<'stopsignal'>, site: Site): void {
    const signal = this.#text(i.signal, site)
    try {
      parseSignal(signal)
    } catch (cause) {
      throw fail(site, messageOf(cause), i.signal.range)
    }
    this.#draft.config.StopSignal = signal
    this.#note(`STOPSIGNAL ${signal}`)
  }

  #pairs(pairs: InstructionOf<'env'>['pairs'], site: Site): { key: string; value: string }[] {
    // Docker: all values of one instruction are expanded before any of them counts.
    return pairs.map((pair) => ({ key: this.#text(pair.key, site), value: this.#text(pair.value, site) }))
  }

  #text(word: Word, site: Site): string {
    return expandWord(word, this.#scope.variables(), site).text
  }

  #shell(): readonly string[] {
    const shell = this.#draft.config.Shell
    return shell && shell.length > 0 ? shell : ['/bin/sh', '-c']
  }

  #commandLine(command: CommandLine): string[] {
    return command.form === 'exec' ? [...command.args] : [...this.#shell(), command.args.join(' ')]
  }

  #proxyEnv(): string[] {
    return Object.entries(this.#converter.options.buildArgs)
      .filter(([name]) => /^(https?|ftp|no|all)_proxy$/i.test(name))
      .flatMap(([name, value]) => [`${name.toUpperCase()}=${value}`, `${name.toLowerCase()}=${value}`])
  }

  #note(createdBy: string): void {
    addHistory(this.#draft, createdBy)
  }

  #vertex(
    i: Instruction,
    text: string,
    o: {
      definition: Json
      work: Work<Tree>
      inputs?: readonly Vertex<Tree>[]
      words?: ReadonlyMap<string, Range>
      /** Not on the tree so far. */
      alone?: boolean
    },
  ): Vertex<Tree> {
    const shown = text.replace(/^\S+/, (keyword) => keyword.toUpperCase())
    const { prefix, step } = this.#steps.next(i, shown)
    const base = this.#draft.tree && !o.alone ? [this.#draft.tree] : []
    return makeVertex(o.definition, {
      name: prefix + shown,
      inputs: [...base, ...(o.inputs ?? [])],
      work: located(o.work, this.#converter.site(i), o.words),
      step,
    })
  }
}

/** Failures of the work get the instruction's place, or that of the word that is meant. */
function located(work: Work<Tree>, site: Site, words?: ReadonlyMap<string, Range>): Work<Tree> {
  const locate = async <T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> => {
    try {
      return await run()
    } catch (cause) {
      if (signal.aborted || hasCode(cause, 'ABORT_ERR')) throw cause
      throw locatedError(cause, site, words)
    }
  }
  return {
    keys: work.keys.map((key) => (op, inputs, io) => locate(op.signal, () => key(op, inputs, io))),
    run: (op, inputs, io) => locate(op.signal, () => work.run(op, inputs, io)),
  }
}

function locatedError(cause: unknown, site: Site, words?: ReadonlyMap<string, Range>): unknown {
  if (!(cause instanceof EngineError) || cause instanceof BuildError) return cause
  const word = cause instanceof MissingSource ? words?.get(cause.pattern) : undefined
  const range = word ?? site.node.range
  return new BuildError(cause.kind, cause.message, { source: site.source, range, cause })
}

/** BuildKit: the first `/./` is where the directories that are kept begin. */
function withParents(source: string): string {
  const pivot = source.indexOf('/./')
  return pivot < 0 ? below('.', source) : below(source.slice(0, pivot), source.slice(pivot + 3))
}

function contentOf(doc: Heredoc): string {
  return doc.chomp ? doc.content.replace(/^\t+/gm, '') : doc.content
}

function summary(documents: readonly Heredoc[]): string {
  const lines = (documents[0]?.content ?? '').trim().split('\n')
  return (lines[0] ?? '') + (lines.length > 1 ? '...' : '')
}

function quoteList(args: readonly string[]): string {
  return `[${args.map((arg) => JSON.stringify(arg)).join(' ')}]`
}

function showHealth(h: HealthConfig): string {
  const durations = [
    ['Interval', h.Interval],
    ['Timeout', h.Timeout],
    ['StartPeriod', h.StartPeriod],
    ['StartInterval', h.StartInterval],
  ] as const
  const shown = durations.map(([name, value]) => `${name}:${formatDuration(value ?? 0)}`)
  return `{Test:[${(h.Test ?? []).join(' ')}] ${shown.join(' ')} Retries:${h.Retries ?? 0}}`
}
