import { formatPlatform } from '../../image/index.ts'
import { messageOf } from '../../lib/errors.ts'
import { cleanPath } from '../../lib/ignore.ts'
import type { Op } from '../../lib/op.ts'
import { parseSignal } from '../../lib/signals.ts'
import type { CommandLine, Instruction, InstructionOf, Word } from '../dockerfile/instructions.ts'
import { findHeredocs, type Heredoc } from '../dockerfile/parser.ts'
import type { Range } from '../dockerfile/source.ts'
import type { Stage } from '../dockerfile/stages.ts'
import { makeVertex, type Json, type Vertex, type Work } from '../solver/vertex.ts'
import type { ConvertedStage, Converter } from './convert.ts'
import { contentOf, planCopy } from './copy.ts'
import { addHistory, type ImageDraft } from './image-draft.ts'
import { located } from './located.ts'
import { quoteList, showHealth, showPorts } from './go-format.ts'
import { planMounts } from './mounts.ts'
import { parsePort } from './ports.ts'
import { envMap, expandWord, fail, Scope, type Site } from './scope.ts'
import type { StepCounter } from './steps.ts'
import type { FileSource, Tree } from './tree.ts'
import type { RunMount, RunStep, WorkdirStep } from './works.ts'

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
    const { os, architecture, variant } = base.draft
    const platform = { os, architecture, ...(variant !== undefined && { variant }) }
    this.#steps = converter.counter(stage, { fromImage, triggers: triggers.length, platform })
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
        this.#cmdSet = true
        config.ArgsEscaped = true
        return this.#note(`CMD ${this.#setCommand('Cmd', i.command)}`)
      case 'entrypoint':
        // Docker: a new entry point makes the base image's CMD meaningless.
        if (!this.#cmdSet) delete config.Cmd
        return this.#note(`ENTRYPOINT ${this.#setCommand('Entrypoint', i.command)}`)
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
      context: this.#converter.context,
      from: (name, range) =>
        name === 'scratch' ? Promise.resolve(undefined) : this.#source(op, name, { site, range }),
      whole: (context) => this.#converter.whole(context),
    })
    const { settings } = this.#converter.options
    const network = this.#network(i, site)
    const step: RunStep = {
      args,
      env: withAgent(this.#scope.processEnv(), plan.mounts),
      proxyEnv: this.#proxyEnv(),
      cwd: this.#draft.config.WorkingDir || '/',
      user: this.#draft.config.User ?? '',
      network,
      onBase: this.#draft.tree !== undefined,
      mounts: plan.mounts,
      ...(settings && { settings }),
      ...this.#foreign(),
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

  /** BuildKit: the host's network is for builds that were allowed to use it. */
  #network({ network, security }: InstructionOf<'run'>, site: Site): RunStep['network'] {
    const { options } = this.#converter
    if (security?.text === 'insecure')
      throw fail(
        site,
        'security.insecure is not allowed: build steps get no privileges beyond those of containers',
        security.range,
        'unsupported',
      )
    if (network?.text !== 'host') return network?.text === 'none' ? 'none' : options.network
    if (options.network === 'host' || options.allowHostNetwork) return 'host'
    throw fail(
      site,
      'network.host is not allowed: build with --allow network.host or --network host',
      network.range,
      'forbidden',
    )
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
        return {
          args: [...this.#shell(), `/dev/pipes/${first.name}`],
          script: { name: first.name, data },
        }
      return { args: [...this.#shell(), data] }
    }
    const documents = i.heredocs.map((doc) => `\n${doc.content}${doc.name}`)
    return { args: [...this.#shell(), text + documents.join('')] }
  }

  async #copy(op: Op, i: InstructionOf<'copy' | 'add'>, site: Site): Promise<void> {
    const plan = await planCopy(i, {
      site,
      cwd: this.#draft.config.WorkingDir || '/',
      variables: this.#scope.variables(),
      onBase: this.#draft.tree !== undefined,
      context: this.#converter.context,
      from: (name, range) => this.#source(op, name, { site, range }),
      works: this.#converter.options.works,
    })
    const vertex = this.#vertex(i, i.node.original, {
      definition: ['copy', plan.step as unknown as Json],
      words: plan.words,
      work: this.#converter.options.works.copy(plan.step),
      inputs: plan.inputs,
      alone: i.link,
    })
    addHistory(this.#draft, plan.createdBy, i.link ? this.#stacked(vertex) : vertex)
  }

  #source(op: Op, name: string, o: { site: Site; range: Range }): Promise<FileSource | undefined> {
    return this.#converter.source(op, name, { stage: this.#stage, ...o })
  }

  /** What stands by itself, put on the tree so far. */
  #stacked(vertex: Vertex<Tree>): Vertex<Tree> {
    const { tree } = this.#draft
    if (!tree) return vertex
    const work = this.#converter.options.works.stack()
    return makeVertex('stack', { name: vertex.name, inputs: [tree, vertex], work, hidden: true })
  }

  #workdir(i: InstructionOf<'workdir'>, site: Site): void {
    const { config } = this.#draft
    const text = this.#text(i.path, site)
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

  #foreign(): Pick<RunStep, 'platform'> {
    const { os, architecture, variant } = this.#draft
    const own = formatPlatform(this.#converter.host)
    const platform = formatPlatform({ os, architecture, ...(variant !== undefined && { variant }) })
    return architecture === this.#converter.host.architecture || platform === own ? {} : { platform }
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
    this.#note(`EXPOSE ${showPorts(ports)}`)
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

  /** An empty list takes away what the base image has. */
  #setCommand(field: 'Cmd' | 'Entrypoint', command: CommandLine): string {
    const args = this.#commandLine(command)
    if (args.length > 0) this.#draft.config[field] = args
    else delete this.#draft.config[field]
    return quoteList(args)
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

/** BuildKit: the first agent is the one that programs find, unless they are told of another. */
function withAgent(env: readonly string[], mounts: readonly RunMount[]): readonly string[] {
  const agent = mounts.find((mount) => mount.type === 'ssh')
  if (!agent || env.some((entry) => entry.startsWith('SSH_AUTH_SOCK='))) return env
  return [...env, `SSH_AUTH_SOCK=${agent.target}`]
}

function summary(documents: readonly Heredoc[]): string {
  const lines = (documents[0]?.content ?? '').trim().split('\n')
  return (lines[0] ?? '') + (lines.length > 1 ? '...' : '')
}
