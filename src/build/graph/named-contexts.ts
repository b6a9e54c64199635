import type { Image } from '../../image/index.ts'
import { familiar, parseReference, withDefaultTag } from '../../lib/reference.ts'
import { makeVertex, type Vertex } from '../solver/vertex.ts'
import { shownUrl } from '../../lib/git-url.ts'
import type { FileSource, Tree } from './tree.ts'
import type { CopyStep, GitStep, HttpStep, RemoteWorks, Works } from './works.ts'

/** What `--build-context` gives, once it is known what it is. */
export type NamedContext =
  /** A directory: `Works.context` knows it by its name. */
  | { readonly kind: 'directory' }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'git'; readonly step: GitStep }
  /** An archive, or any other file under the name of the step. */
  | { readonly kind: 'http'; readonly step: HttpStep }

export interface FoundContext {
  readonly files: FileSource | undefined
  /** Its configuration counts where the context is what a stage starts from. */
  readonly image?: Image
}

/** BuildKit: names are compared as references, where `:latest` says nothing. */
export function contextName(name: string): string {
  const lower = name.toLowerCase()
  try {
    return familiar(withDefaultTag(parseReference(lower))).replace(/:latest$/, '')
  } catch {
    return lower
  }
}

export function treeSource(vertex: Vertex<Tree> | undefined): FileSource | undefined {
  return vertex && { kind: 'tree', take: () => vertex }
}

/** A context of which only what was asked for is read; `name` is absent for the build's own. */
function contextSource(works: Works, name?: string): FileSource {
  const wanted = new Set<string>()
  let vertex: Vertex<Tree> | undefined
  return {
    kind: 'context',
    take: (patterns) => {
      for (const pattern of patterns) wanted.add(pattern)
      vertex ??= makeVertex(['context', name ?? null], {
        name: name === undefined ? '[internal] load build context' : `[context ${name}] load from client`,
        inputs: [],
        work: works.context(wanted, name),
      })
      return vertex
    },
  }
}

/** The sources of one build: a context is read once, with all that the images for its platforms want of it. */
export class ContextSources {
  readonly main: FileSource
  readonly #works: Works
  readonly #named = new Map<string, FileSource>()

  constructor(works: Works) {
    this.#works = works
    this.main = contextSource(works)
  }

  named(key: string, context: Exclude<NamedContext, { kind: 'image' }>): FileSource {
    let files = this.#named.get(key)
    if (!files) this.#named.set(key, (files = namedSource(key, context, this.#works)))
    return files
  }
}

function namedSource(
  name: string,
  context: Exclude<NamedContext, { kind: 'image' }>,
  works: Works,
): FileSource {
  if (context.kind === 'directory') return contextSource(works, name)
  const vertex =
    context.kind === 'git' ? gitVertex(name, context.step, works) : httpVertex(name, context.step, works)
  return { kind: 'tree', take: () => vertex }
}

export function gitVertex(name: string, step: GitStep, works: RemoteWorks): Vertex<Tree> {
  return makeVertex(['git', { ...step, source: { ...step.source } }], {
    name: `[context ${name}] ${shownUrl(step.source.remote)}`,
    inputs: [],
    work: works.git(step),
  })
}

/** An archive is unpacked; anything else is the one file of its tree. */
export function httpVertex(name: string, step: HttpStep, works: RemoteWorks): Vertex<Tree> {
  const file = makeVertex<Tree>(['http', { ...step }], {
    name: `[context ${name}] ${shownUrl(step.url)}`,
    inputs: [],
    work: works.http(step),
  })
  const unpack: CopyStep = {
    sources: [{ pattern: `/${step.name}`, input: 0, from: 'tree', extract: true }],
    inline: [],
    target: '/',
    parents: false,
    excludes: [],
    link: true,
    onBase: false,
  }
  return makeVertex('unpack', {
    name: `[context ${name}] unpack`,
    inputs: [file],
    work: works.copy(unpack),
  })
}
