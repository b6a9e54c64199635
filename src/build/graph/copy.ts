import { messageOf } from '../../lib/errors.ts'
import { parseFileMode, type FileMode } from '../../lib/file-mode.ts'
import { cleanPath, IgnoreMatcher } from '../../lib/ignore.ts'
import { below } from '../context/below.ts'
import { excludePatterns } from '../dockerfile/excludes.ts'
import { expand } from '../dockerfile/expand.ts'
import type { InstructionOf, Word } from '../dockerfile/instructions.ts'
import type { Heredoc } from '../dockerfile/parser.ts'
import { BuildError, type Range } from '../dockerfile/source.ts'
import type { Vertex } from '../solver/vertex.ts'
import { remoteKind } from '../../lib/git-url.ts'
import { remoteSource, type RemoteScope } from './remote.ts'
import { expandWord, fail, type Site } from './scope.ts'
import type { FileSource, Tree } from './tree.ts'
import type { CopySource, CopyStep, Works } from './works.ts'

export interface CopyScope {
  readonly site: Site
  readonly cwd: string
  readonly variables: ReadonlyMap<string, string>
  /** The stage has files by now. */
  readonly onBase: boolean
  readonly works: Works
  readonly context: FileSource
  /** A stage, an image or a named context; nothing when it has no files. */
  from(name: string, range: Range): Promise<FileSource | undefined>
}

export interface CopyPlan {
  readonly step: CopyStep
  /** In the order that `CopySource.input` counts. */
  readonly inputs: readonly Vertex<Tree>[]
  /** Where each source stands. */
  readonly words: ReadonlyMap<string, Range>
  /** For the image's history. */
  readonly createdBy: string
}

type Copy = InstructionOf<'copy' | 'add'>

/** COPY and ADD → what the step copies, and the vertices it takes it from. */
export async function planCopy(i: Copy, scope: CopyScope): Promise<CopyPlan> {
  return await new Planner(i, scope).plan()
}

class Planner {
  readonly #i: Copy
  readonly #scope: CopyScope
  readonly #inputs: Vertex<Tree>[] = []
  readonly #words = new Map<string, Range>()

  constructor(i: Copy, scope: CopyScope) {
    this.#i = i
    this.#scope = scope
  }

  async plan(): Promise<CopyPlan> {
    const i = this.#i
    const { site } = this.#scope
    if (i.from && /\$/.test(i.from.text))
      throw fail(
        site,
        `variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround`,
        i.from.range,
      )
    const texts = i.sources.map((word) => ({ text: this.#text(word), range: word.range }))
    const target = this.#target()
    const excludes = i.excludes.map((word) => this.#exclude(word))
    const chown = i.chown && (this.#text(i.chown) || undefined)
    const mode = i.chmod && this.#mode(i.chmod)
    const instruction = i.kind === 'add' ? 'ADD' : 'COPY'
    const step: CopyStep = {
      instruction,
      sources: await this.#sources(texts),
      inline: i.heredocs.map((doc) => ({ name: doc.name, data: this.#document(doc) })),
      target: i.parents && !target.endsWith('/') ? `${target}/` : target,
      parents: i.parents,
      excludes,
      link: i.link,
      // A linked copy stands on nothing, and finds no link of the base to follow.
      onBase: this.#scope.onBase && !i.link,
      ...(chown !== undefined && { chown }),
      ...(mode !== undefined && { mode }),
    }
    // BuildKit: these flags and no others.
    const flags = [
      i.parents && '--parents',
      chown !== undefined && `--chown=${chown}`,
      i.chmod && `--chmod=${this.#text(i.chmod)}`,
    ].filter(Boolean)
    const shown = [...flags, ...texts.map(({ text }) => text), ...i.heredocs.map((doc) => `<<${doc.name}`)]
    return {
      step,
      inputs: this.#inputs,
      words: this.#words,
      createdBy: `${instruction} ${shown.join(' ')} ${this.#text(i.target)} # buildkit`,
    }
  }

  async #sources(texts: readonly { text: string; range: Range }[]): Promise<CopySource[]> {
    const i = this.#i
    const { site } = this.#scope
    const sources: CopySource[] = []
    const add = (vertex: Vertex<Tree>, source: Omit<CopySource, 'input'>, range: Range) => {
      this.#words.set(source.pattern, range)
      sources.push({ ...source, input: this.#input(vertex) })
    }
    const remote: RemoteScope = {
      site,
      works: this.#scope.works,
      alone: texts.length + i.heredocs.length === 1,
      checksum: i.checksum && { text: this.#text(i.checksum), range: i.checksum.range },
      keepGitDir: i.keepGitDir,
    }
    if (remote.checksum && (!remote.alone || !texts.some(({ text }) => remoteKind(text) !== undefined)))
      throw fail(
        site,
        remote.alone
          ? 'checksum requires HTTP(S) or Git sources'
          : "checksum can't be specified for multiple sources",
        remote.checksum.range,
      )
    const files = i.from && texts.length > 0 ? await this.#from(i.from) : this.#scope.context
    for (const { text, range } of texts) {
      const remoteAs = remoteKind(text)
      if (remoteAs !== undefined && i.kind === 'copy')
        throw fail(site, `source can't be a ${remoteAs === 'git' ? 'git ref' : 'URL'} for COPY`, range)
      if (remoteAs !== undefined) {
        const { vertex, pattern } = remoteSource(text, range, remote)
        add(vertex, { pattern, from: 'tree', extract: i.unpack === true }, range)
        continue
      }
      const pattern = i.parents ? withParents(text) : text
      const extract = i.kind === 'add' && i.unpack !== false
      add(files.take([pattern]), { pattern, from: files.kind, extract }, range)
    }
    return sources
  }

  async #from({ text, range }: Word): Promise<FileSource> {
    const files = await this.#scope.from(text, range)
    if (!files) throw fail(this.#scope.site, `COPY --from=${text}: that stage has no files`, range)
    return files
  }

  #input(vertex: Vertex<Tree>): number {
    const known = this.#inputs.indexOf(vertex)
    return known < 0 ? this.#inputs.push(vertex) - 1 : known
  }

  #exclude(word: Word): string {
    const text = this.#text(word)
    try {
      void new IgnoreMatcher(excludePatterns([text]))
    } catch (cause) {
      throw fail(this.#scope.site, messageOf(cause), word.range)
    }
    return text
  }

  #target(): string {
    const text = this.#text(this.#i.target)
    const absolute = cleanPath(text.startsWith('/') ? text : `${this.#scope.cwd}/${text}`)
    const directory = text === '' || /(^|\/)\.{0,2}$/.test(text)
    return directory && absolute !== '/' ? `${absolute}/` : absolute
  }

  #document(doc: Heredoc): string {
    const content = contentOf(doc)
    if (!doc.expand) return content
    const { site, variables } = this.#scope
    try {
      // BuildKit: a backslash escapes here, whatever the escape directive says.
      return expand(content, variables, { escape: '\\', keepQuotes: true }).text
    } catch (cause) {
      throw fail(site, `failed to process here-document ${doc.name}: ${messageOf(cause)}`, this.#i.node.range)
    }
  }

  /** BuildKit: of an unset variable nothing is asked. */
  #mode(word: Word): FileMode | undefined {
    try {
      const text = this.#text(word)
      return text === '' ? undefined : parseFileMode(text)
    } catch (cause) {
      if (cause instanceof BuildError) throw cause
      throw fail(this.#scope.site, messageOf(cause), word.range)
    }
  }

  #text(word: Word): string {
    return expandWord(word, this.#scope.variables, this.#scope.site).text
  }
}

export function contentOf(doc: Heredoc): string {
  return doc.chomp ? doc.content.replace(/^\t+/gm, '') : doc.content
}

/** BuildKit: the first `/./` is where the directories that are kept begin. */
function withParents(source: string): string {
  const pivot = source.indexOf('/./')
  return pivot < 0 ? below('.', source) : below(source.slice(0, pivot), source.slice(pivot + 3))
}
