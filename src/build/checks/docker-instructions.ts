import { cleanPath } from '../../lib/ignore.ts'
import type { Expansion } from '../dockerfile/expand.ts'
import type { Instruction, InstructionOf, Word } from '../dockerfile/instructions.ts'
import { defaultPath, envMap } from '../graph/scope.ts'
import { nearest } from './nearest.ts'
import { quietExpand, type Report, type StageView, type View } from './view.ts'

/** What docker's rules remember of a stage, and hand on to stages built on it. */
interface StageState {
  readonly env: Map<string, string>
  /** All names that some ARG declares, with and without a value. */
  readonly args: Set<string>
  shell: boolean
  workdir: boolean
  /** The image it stands on is not here: it may bring variables that we cannot know. */
  readonly unknownEnv: boolean
}

/** Docker's rules of single instructions and of variables, stage by stage. */
export function checkInstructions(view: View, report: Report): void {
  const states = new Map<StageView, StageState>()
  for (const stage of view.stages) {
    const state = startOf(stage, states)
    states.set(stage, state)
    if (stage.checked) new StageCheck(view, state, report).run(stage.stage.body)
  }
}

function startOf({ base }: StageView, states: ReadonlyMap<StageView, StageState>): StageState {
  if (base.kind === 'stage') {
    const from = states.get(base.stage)
    if (from) return { ...from, env: new Map(from.env), args: new Set(from.args) }
  }
  const known = base.kind === 'image' ? base.known : undefined
  const env = envMap(known?.config.Env ?? [])
  if (!env.has('PATH')) env.set('PATH', defaultPath)
  return {
    env,
    args: new Set(),
    shell: (known?.config.Shell ?? []).length > 0,
    workdir: false,
    unknownEnv: base.kind === 'image' && !known,
  }
}

/** Variables that images of languages and distributions commonly set. */
const common =
  /^(?:HOME|LANG|LANGUAGE|LC_ALL|TZ|GO[A-Z]+|CARGO_HOME|RUSTUP_HOME|GEM_HOME|BUNDLE_[A-Z_]+|[A-Z0-9_]+_(?:VERSION|HOME|MAJOR|DIR|PATH|ROOT))$/

/** BuildKit: quotes mean nothing in a here-document, and the escape character is always this one. */
const heredoc = { escape: '\\', keepQuotes: true } as const

class StageCheck {
  readonly #view: View
  readonly #state: StageState
  readonly #report: Report
  readonly #once = new Map<string, Instruction>()

  constructor(view: View, state: StageState, report: Report) {
    this.#view = view
    this.#state = state
    this.#report = report
  }

  run(body: readonly Instruction[]): void {
    for (const i of body) this.#check(i)
  }

  #check(i: Instruction): void {
    for (const word of wordsOf(i)) this.#variables(i, word)
    if (i.kind === 'copy' || i.kind === 'add')
      for (const { expand, content } of i.heredocs)
        if (expand) this.#undefined(i, quietExpand({ text: content }, this.#state.env, heredoc))
    switch (i.kind) {
      case 'env':
        this.#legacy(i)
        for (const { key, value } of i.pairs) {
          this.#secretName('ENV', key.text, i)
          this.#state.env.set(key.text, this.#expanded(value))
        }
        return
      case 'label':
        return this.#legacy(i)
      case 'arg':
        return this.#arg(i)
      case 'shell':
        this.#state.shell = true
        return
      case 'cmd':
      case 'entrypoint':
        this.#usedOnce(i)
        if (i.command.form === 'shell' && !this.#state.shell && i.command.args.length > 0) this.#shellForm(i)
        return
      case 'healthcheck':
        return this.#usedOnce(i)
      case 'workdir': {
        const path = this.#expanded(i.path)
        if (!this.#state.workdir && !path.startsWith('/'))
          this.#report(
            'WorkdirRelativePath',
            i.node.range,
            `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`,
            `${i.node.keyword} ${cleanPath(`/${i.path.text}`)}`,
          )
        this.#state.workdir = true
        return
      }
      case 'expose':
        return this.#expose(i)
      case 'copy':
      case 'add':
        return this.#ignored(i)
      case 'from':
      case 'run':
      case 'user':
      case 'volume':
      case 'stopsignal':
      case 'onbuild':
      case 'maintainer':
    }
  }

  #expanded(word: Word): string {
    return quietExpand(word, this.#state.env, this.#view.input.program.file)?.text ?? word.text
  }

  #variables(i: Instruction, word: Word): void {
    this.#undefined(i, quietExpand(word, this.#state.env, this.#view.input.program.file))
  }

  #undefined(i: Instruction, expansion: Expansion | undefined): void {
    const { env, args, unknownEnv } = this.#state
    for (const name of new Set(expansion?.missing.map((each) => each.name))) {
      // Numbers and signs are the shell's own.
      if (args.has(name) || !/^[\p{L}_]/u.test(name) || (unknownEnv && common.test(name))) continue
      const near = nearest(name, env.keys())
      const hint = near === undefined ? '' : ` (did you mean $${near}?)`
      this.#report(
        'UndefinedVar',
        i.node.range,
        `Usage of undefined variable '$${name}'${hint}`,
        near === undefined ? `ARG ${name}` : undefined,
      )
    }
  }

  #arg(i: InstructionOf<'arg'>): void {
    const { buildArgs } = this.#view.input
    for (const { key, value } of i.args) {
      this.#secretName('ARG', key.text, i)
      const given = Object.hasOwn(buildArgs, key.text) ? buildArgs[key.text] : undefined
      if (given === undefined && value) this.#variables(i, value)
      const known = given ?? (value ? this.#expanded(value) : this.#view.globals.get(key.text))
      this.#state.args.add(key.text)
      if (known !== undefined) this.#state.env.set(key.text, known)
    }
  }

  #legacy(i: InstructionOf<'env' | 'label'>): void {
    const first = /^\S+/.exec(i.node.args.text)?.[0] ?? ''
    const [pair] = i.pairs
    if (first.includes('=') || !pair) return
    const name = i.kind.toUpperCase()
    this.#report(
      'LegacyKeyValueFormat',
      i.node.range,
      `"${name} key=value" should be used instead of legacy "${name} key value" format`,
      `${i.node.keyword} ${pair.key.text}=${/[\s"']/.test(pair.value.text) ? JSON.stringify(pair.value.text) : pair.value.text}`,
    )
  }

  #secretName(instruction: 'ARG' | 'ENV', key: string, i: Instruction): void {
    if (!secretNames.test(key) || harmlessNames.test(key)) return
    this.#report(
      'SecretsUsedInArgOrEnv',
      i.node.range,
      `Do not use ARG or ENV instructions for sensitive data (${instruction} ${JSON.stringify(key)})`,
      instruction === 'ARG'
        ? `RUN --mount=type=secret,id=${key.toLowerCase()},env=${key} command   # build --secret id=${key.toLowerCase()},env=${key}`
        : `# at run time: run --env ${key} or --env-file; while building: RUN --mount=type=secret,id=${key.toLowerCase()},env=${key}`,
    )
  }

  #shellForm(i: InstructionOf<'cmd' | 'entrypoint'>): void {
    const name = i.kind.toUpperCase()
    this.#report(
      'JSONArgsRecommended',
      i.node.range,
      `JSON arguments recommended for ${name} to prevent unintended behavior related to OS signals`,
      `${i.node.keyword} ${asJson(i.command.args.join(' '))}`,
    )
  }

  /** Docker: said of the earlier one, which counts for nothing. */
  #usedOnce(i: InstructionOf<'cmd' | 'entrypoint' | 'healthcheck'>): void {
    const before = this.#once.get(i.kind)
    this.#once.set(i.kind, i)
    if (before)
      this.#report(
        'MultipleInstructionsDisallowed',
        before.node.range,
        `Multiple ${i.kind.toUpperCase()} instructions should not be used in the same stage because only the last one will be used`,
      )
  }

  #expose(i: InstructionOf<'expose'>): void {
    for (const word of i.ports) {
      const texts = quietExpand(word, this.#state.env, this.#view.input.program.file)?.words ?? []
      for (const text of texts) {
        const proto = text.split('/')[1] ?? ''
        const container = (text.split('/')[0] ?? '').split(':').at(-1) ?? ''
        const better = `${i.node.keyword} ${container}${proto === '' ? '' : `/${proto.toLowerCase()}`}`
        if (proto !== proto.toLowerCase())
          this.#report(
            'ExposeProtoCasing',
            i.node.range,
            `Defined protocol '${text}' in EXPOSE instruction should be lowercase`,
            better,
          )
        if (text.includes(':'))
          this.#report(
            'ExposeInvalidFormat',
            i.node.range,
            `EXPOSE instruction should not define an IP address or host-port mapping, found '${text}'`,
            better,
          )
      }
    }
  }

  #ignored(i: InstructionOf<'copy' | 'add'>): void {
    const { matcher, input } = this.#view
    if (!matcher || i.from || i.heredocs.length > 0) return
    for (const word of i.sources) {
      const source = this.#expanded(word)
      if (/^[a-z]+:\/\/|^git@/.test(source)) continue
      const path = cleanPath(source.replace(/^\/+/, '') || '.')
      if (negatedBelow(input.ignore?.patterns ?? [], path)) continue
      if (path === '.' ? allIgnored(input.ignore?.patterns ?? []) : matcher.ignores(path))
        this.#report(
          'CopyIgnoredFile',
          i.node.range,
          `Attempting to ${i.kind === 'add' ? 'Add' : 'Copy'} file ${JSON.stringify(path)} that is excluded by .dockerignore`,
        )
    }
  }
}

const secretNames =
  /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i
const harmlessNames = /(?:_|^)(?:public|file|version)(?:_|$)/i

type Patterns = readonly { readonly pattern: string; readonly exception: boolean }[]

function allIgnored(patterns: Patterns): boolean {
  return patterns.some(({ pattern, exception }) => !exception && ['*', '**', '**/*'].includes(pattern))
}

/** BuildKit: whether an exception could bring back something at or below a path; a wildcard could be anything. */
function negatedBelow(patterns: Patterns, path: string): boolean {
  const base = path === '.' ? '' : path
  const below = (inner: string, outer: string) =>
    outer === '' || inner === outer || inner.startsWith(`${outer}/`)
  return patterns.some(({ pattern, exception }) => {
    if (!exception) return false
    const parts = pattern.split('/')
    const wild = parts.findIndex((part) => /[*?[]/.test(part))
    const prefix = (wild < 0 ? parts : parts.slice(0, wild)).join('/')
    return below(prefix, base) || (wild >= 0 && below(base, prefix))
  })
}

/** What docker expands in an instruction, and warns about. The value of an ARG is looked at on its own. */
function wordsOf(i: Instruction): readonly Word[] {
  switch (i.kind) {
    case 'env':
    case 'label':
      return i.pairs.flatMap(({ key, value }) => [key, value])
    case 'copy':
    case 'add':
      return [
        ...i.sources,
        i.target,
        ...i.excludes,
        ...[i.chown, i.chmod].filter((word) => word !== undefined),
      ]
    case 'run':
      return i.mounts
    case 'user':
      return [i.user]
    case 'workdir':
      return [i.path]
    case 'volume':
      return i.paths
    case 'stopsignal':
      return [i.signal]
    case 'arg':
      return i.args.map(({ key }) => key)
    case 'from':
    case 'expose':
    case 'cmd':
    case 'entrypoint':
    case 'shell':
    case 'healthcheck':
    case 'onbuild':
    case 'maintainer':
      return []
  }
}

/** A command line in exec form; through the shell when it needs one. */
function asJson(text: string): string {
  const plain = /^[\w@%+=:,./-]+(?:\s+[\w@%+=:,./-]+)*$/.test(text) && !/^[A-Za-z_]\w*=/.test(text)
  const list = plain ? text.split(/\s+/) : ['/bin/sh', '-c', `exec ${text}`]
  return `[${list.map((word) => JSON.stringify(word)).join(', ')}]`
}
