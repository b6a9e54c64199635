import { messageOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { canonical, parseReference, withDefaultTag } from '../../lib/reference.ts'
import { formatPlatform, hostPlatform, parsePlatform, type Image } from '../../image/index.ts'
import type { Platform } from '../../wire/registry.ts'
import type { Instruction, InstructionOf } from '../dockerfile/instructions.ts'
import type { Program, Stage } from '../dockerfile/stages.ts'
import { BuildError } from '../dockerfile/source.ts'
import { didYouMean } from '../dockerfile/suggest.ts'
import type { Progress } from '../solver/progress.ts'
import { makeVertex, type Io, type Vertex } from '../solver/vertex.ts'
import { cloneDraft, type ImageDraft } from './image-draft.ts'
import { expandWord, fail, platformArgs, proxyArgs, type Scope, type Site } from './scope.ts'
import { firstInCircle } from './circles.ts'
import { StageBuilder } from './stage.ts'
import { StepCounter } from './steps.ts'
import {
  contextName,
  ContextSources,
  treeSource,
  type FoundContext,
  type NamedContext,
} from './named-contexts.ts'
import type { FileSource, Tree } from './tree.ts'
import type { CopyStep, StepSettings, Works } from './works.ts'
import { onBuildInstructions } from './onbuild.ts'
import { emptyDraft, imageDraft } from './base-image.ts'

export interface ConvertOptions {
  readonly buildArgs: Readonly<Record<string, string>>
  readonly target?: string
  readonly network: 'bridge' | 'host' | 'none'
  /** For RUN --network=host. */
  readonly allowHostNetwork?: boolean
  readonly settings?: StepSettings
  readonly works: Works
  readonly progress: Progress
  /** By what `contextName` makes of their names. */
  readonly contexts: ReadonlyMap<string, NamedContext>
  /** `io` is told when it has to be fetched first. */
  /** What the image is for; absent: this host's. */
  readonly platform?: Platform
  /** `platform`: where one has to be of that kind; absent: whatever is called so here. */
  findImage(op: Op, ref: string, o: { io: Io; platform?: Platform }): Promise<Image>
}

/** A stage after conversion. */
export interface ConvertedStage {
  readonly draft: ImageDraft
  readonly scope: Scope
}

/** Dockerfile → graph. Only stages that the target needs are looked at, images included. */
export async function convert(op: Op, program: Program, options: ConvertOptions): Promise<ImageDraft> {
  const converter = new Converter(program, options)
  const { draft } = await converter.stage(op, converter.target())
  converter.warnUnusedArgs()
  return draft
}

/** The same for several platforms; `each` differs in these alone. Equal steps of theirs are one vertex. */
export async function convertAll(
  op: Op,
  program: Program,
  each: readonly (ConvertOptions & { platform: Platform })[],
): Promise<ImageDraft[]> {
  const drafts: ImageDraft[] = []
  let sources: ContextSources | undefined
  for (const options of each) {
    sources ??= new ContextSources(options.works)
    const converter = new Converter(program, options, { sources, several: true })
    drafts.push((await converter.stage(op, converter.target())).draft)
    if (drafts.length === 1) converter.warnUnusedArgs()
  }
  return drafts
}

export class Converter {
  readonly program: Program
  readonly options: ConvertOptions
  readonly globals: Map<string, string>
  readonly host: Platform
  readonly #stages = new Map<number, Promise<ConvertedStage>>()
  readonly #images = new Map<string, Promise<{ image: Image; vertex: Vertex<Tree> }>>()
  readonly #sources: ContextSources
  readonly #several: boolean

  constructor(
    program: Program,
    options: ConvertOptions,
    o: { sources?: ContextSources; several?: boolean } = {},
  ) {
    this.program = program
    this.options = options
    this.host = hostPlatform()
    this.globals = this.#readGlobals()
    this.#sources = o.sources ?? new ContextSources(options.works)
    this.#several = o.several ?? false
  }

  get context(): FileSource {
    return this.#sources.main
  }

  /** The numbers of a stage's steps; `platform`: the stage's, which BuildKit names where images for several are built. */
  counter(
    stage: Stage,
    o: { fromImage: boolean; triggers: number; platform: Platform | undefined },
  ): StepCounter {
    const platform = this.#several ? crossName(o.platform ?? this.host, this.options.platform) : undefined
    return new StepCounter(this.program, stage, { ...o, platform })
  }

  target(): Stage {
    const { stages } = this.program
    const wanted = this.options.target
    const last = stages.at(-1)
    if (!last) throw new Error('a program has at least one stage')
    if (wanted === undefined || wanted === '') return last
    const found =
      this.#stageByName(wanted, stages.length) ?? stages[/^\d+$/.test(wanted) ? Number(wanted) : -1]
    if (found) return found
    const names = stages.flatMap((stage) => stage.name ?? [])
    throw new BuildError(
      'invalid',
      `target stage ${JSON.stringify(wanted)} could not be found${didYouMean(wanted, names)}`,
      { source: this.program.file.source, range: last.from.node.range },
    )
  }

  site(instruction: Instruction): Site {
    const { source, escape } = this.program.file
    return { source, escape, node: instruction.node, progress: this.options.progress }
  }

  stage(op: Op, stage: Stage): Promise<ConvertedStage> {
    let known = this.#stages.get(stage.index)
    if (!known) this.#stages.set(stage.index, (known = this.#convert(op, stage)))
    return known
  }

  /** The tree a COPY --from means: an earlier stage by name or number, else an image. */
  async source(
    op: Op,
    name: string,
    o: { stage: Stage; site: Site; range: Site['node']['range'] },
  ): Promise<FileSource | undefined> {
    const context = await this.#namedContext(op, name, o)
    if (context) return context.files
    const found = this.#stageByName(name, this.program.stages.length)
    if (found === o.stage) throw fail(o.site, `circular dependency detected on stage: ${name}`, o.range)
    if (found && found.index < o.stage.index) return treeSource((await this.stage(op, found)).draft.tree)
    const first = found && firstInCircle(this.program, { from: o.stage, to: found })
    if (first) {
      const name = first.name ?? String(first.index)
      throw fail(o.site, `circular dependency detected on stage: ${name}`, o.range)
    }
    if (found)
      throw fail(
        o.site,
        `cannot copy from stage ${JSON.stringify(name)}, it needs to be defined before current stage ${JSON.stringify(o.stage.name ?? `stage-${o.stage.index}`)}`,
        o.range,
      )
    if (/^\d+$/.test(name)) {
      const index = Number(name)
      const earlier = index < o.stage.index ? this.program.stages[index] : undefined
      if (!earlier)
        throw fail(o.site, `invalid from flag value ${name}: invalid stage index ${name}`, o.range)
      return treeSource((await this.stage(op, earlier)).draft.tree)
    }
    return treeSource((await this.#image(op, name, o)).vertex)
  }

  /** All of a context as a tree with layers, for what needs one. */
  whole(context: FileSource): Vertex<Tree> {
    if (context.kind === 'tree') return context.take(['.'])
    const step: CopyStep = {
      sources: [{ pattern: '.', input: 0, from: 'context', extract: false }],
      inline: [],
      target: '/',
      parents: false,
      excludes: [],
      link: true,
      onBase: false,
    }
    return makeVertex('whole context', {
      name: '[internal] copy a build context',
      inputs: [context.take(['.'])],
      work: this.options.works.copy(step),
    })
  }

  warnUnusedArgs(): void {
    const declared = new Set<string>([
      ...proxyArgs,
      ...platformArgs({ stage: '', build: this.host, target: this.host }).keys(),
      'SOURCE_DATE_EPOCH',
    ])
    const all = [...this.program.globals, ...this.program.stages.flatMap((stage) => stage.body)]
    for (const instruction of all) {
      if (instruction.kind === 'arg') for (const { key } of instruction.args) declared.add(key.text)
      if (instruction.kind === 'onbuild') return
    }
    const unused = Object.keys(this.options.buildArgs).filter(
      (name) => !declared.has(name) && !name.startsWith('BUILDKIT_'),
    )
    if (unused.length > 0)
      this.options.progress.warn({
        message: `One or more build-args [${unused.sort().join(' ')}] were not consumed`,
      })
  }

  async #convert(op: Op, stage: Stage): Promise<ConvertedStage> {
    const { from } = stage
    const site = this.site(from)
    const platform = this.#platformOf(from, site)
    const variables = this.globals
    const name = expandWord(from.image, variables, site).text
    if (name === '') throw fail(site, `base name (${from.image.text}) should not be blank`, from.image.range)
    const named =
      (stage.name === undefined ? undefined : await this.#namedContext(op, stage.name, { site, stage })) ??
      (await this.#namedContext(op, name, { site, stage }))
    const base = this.#stageByName(name, stage.index)
    if (named) return await this.#onContext(stage, named).build(op)
    const builder = base
      ? await this.#onStage(op, stage, base)
      : name === 'scratch'
        ? new StageBuilder(this, stage, {
            draft: emptyDraft(platform),
            args: new Map(),
            fromImage: false,
            triggers: [],
          })
        : await this.#onImage(op, stage, { name, platform })
    return await builder.build(op)
  }

  async #onStage(op: Op, stage: Stage, base: Stage): Promise<StageBuilder> {
    const converted = await this.stage(op, base)
    const draft = cloneDraft(converted.draft)
    const triggers = this.#triggers(draft, stage)
    return new StageBuilder(this, stage, { draft, args: converted.scope.args, fromImage: false, triggers })
  }

  #onContext(stage: Stage, { files, image }: FoundContext): StageBuilder {
    const tree = files && this.whole(files)
    const draft = image && tree ? imageDraft(image, tree) : { ...emptyDraft(this.options.platform), tree }
    const triggers = this.#triggers(draft, stage)
    return new StageBuilder(this, stage, { draft, args: new Map(), fromImage: false, triggers })
  }

  /** What `--build-context` puts in the place of an image or a stage. */
  async #namedContext(
    op: Op,
    name: string,
    o: { site: Site; stage: Stage; range?: Site['node']['range'] },
  ): Promise<FoundContext | undefined> {
    const key = contextName(name)
    const context = this.options.contexts.get(key)
    if (!context) return undefined
    if (context.kind === 'image') {
      const range = o.range ?? o.site.node.range
      const { image, vertex } = await this.#image(op, context.reference, { ...o, range })
      return { files: treeSource(vertex), image }
    }
    return { files: this.#sources.named(key, context) }
  }

  async #onImage(
    op: Op,
    stage: Stage,
    o: { name: string; platform: Platform | undefined },
  ): Promise<StageBuilder> {
    const site = this.site(stage.from)
    const { platform } = o
    const range = stage.from.image.range
    const { image, vertex } = await this.#image(op, o.name, { site, range, stage, platform })
    const draft = imageDraft(image, vertex)
    const triggers = this.#triggers(draft, stage)
    return new StageBuilder(this, stage, { draft, args: new Map(), fromImage: true, triggers })
  }

  #triggers(draft: ImageDraft, stage: Stage): Instruction[] {
    const triggers = onBuildInstructions(draft.config.OnBuild ?? [], stage)
    // Triggers fire once: in the image that is built directly on theirs.
    delete draft.config.OnBuild
    return triggers
  }

  #image(
    op: Op,
    name: string,
    o: { site: Site; range: Site['node']['range']; stage: Stage; platform?: Platform | undefined },
  ): Promise<{ image: Image; vertex: Vertex<Tree> }> {
    let reference: string
    try {
      reference = canonical(withDefaultTag(parseReference(name)))
    } catch (cause) {
      throw fail(o.site, `failed to parse stage name ${JSON.stringify(name)}: ${messageOf(cause)}`, o.range)
    }
    const platform = o.platform ?? this.options.platform
    const key = platform ? `${reference} ${formatPlatform(platform)}` : reference
    const known = this.#images.get(key)
    if (known) return known
    const found = this.options.progress
      .task(`[internal] load metadata for ${reference}`, async (io) => {
        try {
          return await this.options.findImage(op, name, { io, ...(platform && { platform }) })
        } catch (cause) {
          op.signal.throwIfAborted()
          const names = this.program.stages.slice(0, o.stage.index).flatMap((stage) => stage.name ?? [])
          throw new BuildError(
            'not-found',
            `${reference}: failed to resolve source metadata for ${reference}: ${messageOf(cause)}${didYouMean(name, names)}`,
            { source: o.site.source, range: o.range, cause },
          )
        }
      })
      .then((image) => ({ image, vertex: this.#imageVertex(reference, image, { ...o, platform }) }))
    this.#images.set(key, found)
    return found
  }

  #imageVertex(
    reference: string,
    image: Image,
    { stage, platform }: { stage: Stage; platform: Platform | undefined },
  ): Vertex<Tree> {
    const steps = this.counter(stage, {
      fromImage: true,
      triggers: image.config.config?.OnBuild?.length ?? 0,
      platform,
    })
    const { prefix, step } = steps.next(stage.from, `FROM ${reference}`)
    return makeVertex(['image', image.id], {
      name: `${prefix}FROM ${reference}`,
      inputs: [],
      work: this.options.works.image(image.layers, image.createdAt),
      step,
      image: image.id,
    })
  }

  #stageByName(name: string, before: number): Stage | undefined {
    const wanted = name.toLowerCase()
    return this.program.stages.slice(0, before).findLast((stage) => stage.name === wanted)
  }

  #readGlobals(): Map<string, string> {
    const values = platformArgs({
      stage: this.options.target ?? 'default',
      build: this.host,
      target: this.options.platform ?? this.host,
    })
    for (const instruction of this.program.globals)
      for (const { key, value } of instruction.args) {
        const given = this.options.buildArgs[key.text]
        if (given !== undefined) values.set(key.text, given)
        else if (value) values.set(key.text, expandWord(value, values, this.site(instruction)).text)
      }
    return values
  }

  /** What a stage is for; undefined when nobody says so. */
  #platformOf(from: InstructionOf<'from'>, site: Site): Platform | undefined {
    const text = from.platform && expandWord(from.platform, this.globals, site).text
    if (from.platform && text === '') {
      const name = /^\$\{?(\w+)/.exec(from.platform.text)?.[1] ?? ''
      const hint = didYouMean(name, this.globals.keys())
      const why = `empty platform value from expression ${from.platform.text}${hint}`
      throw fail(site, why, from.platform.range)
    }
    if (text === undefined) return this.options.platform
    let platform: Platform
    try {
      platform = parsePlatform(text)
    } catch (cause) {
      throw fail(site, `failed to parse platform ${text}: ${messageOf(cause)}`, from.platform?.range)
    }
    if (platform.os === 'linux') return platform
    const why = `FROM --platform=${text} is not supported: images are built for linux alone`
    throw fail(site, why, from.platform?.range, 'unsupported')
  }
}

/** BuildKit: `linux/amd64->arm64` is a stage that runs on the one to make something for the other. */
function crossName(own: Platform, target: Platform | undefined): string {
  const name = formatPlatform(own)
  if (!target || formatPlatform(target) === name) return name
  return `${name}->${formatPlatform(target).replace(/^linux\//, '')}`
}
