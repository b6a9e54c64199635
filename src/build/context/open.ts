import { createWriteStream } from 'node:fs'
import { realpath, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Image } from '../../image/index.ts'
import { RootDir } from '../../host/root-dir.ts'
import { attempt } from '../../lib/attempt.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { newId } from '../../lib/id.ts'
import { parseIgnore } from '../../lib/ignore.ts'
import { detached, type Op } from '../../lib/op.ts'
import type { BuildCache } from '../cache/build-cache.ts'
import { readIgnore } from '../definition.ts'
import type { Tools } from '../exec/tools.ts'
import { openSpace } from '../exec/workspace.ts'
import type { ContextSource } from '../exec/works.ts'
import { contextName, gitVertex, httpVertex, type NamedContext } from '../graph/named-contexts.ts'
import type { Tree } from '../graph/tree.ts'
import type { RemoteWorks } from '../graph/works.ts'
import type { BuildRequest, ContextRequest, SyncSource } from '../request.ts'
import type { Progress } from '../solver/progress.ts'
import type { Vertex } from '../solver/vertex.ts'
import { contextKind, parseGitSource } from '../../lib/git-url.ts'
import type { Layout } from '../source/oci-layout.ts'
import { fetchInto } from './synced.ts'

export interface ContextHost {
  readonly tools: Tools
  readonly cache: Pick<BuildCache, 'kept' | 'contexts'>
  readonly progress: Progress
  /** For what is fetched from elsewhere. */
  readonly works: RemoteWorks
  solve(op: Op, vertex: Vertex<Tree>): Promise<Tree>
  loadLayout(op: Op, layout: Layout): Promise<Image>
}

/** The build context while a build runs. */
export interface OpenContext {
  readonly root: string
  readonly indexFile?: string
  /** A client's directory of which nothing is here yet. */
  readonly fetch?: (ignore: ContextSource['ignore']) => NonNullable<ContextSource['fetch']>
  /**
   * Docker: an ignore file is for clients, which read it before they send anything. Of an `archive` only the files that
   * had to come along in any case are still to be kept out.
   */
  readonly ignores: 'all' | 'archive' | 'nothing'
  /** Where an URL gave a Dockerfile in place of an archive. */
  readonly dockerfileText?: string
}

/** What is a Dockerfile and nothing else has no business being longer. */
const maxDockerfile = 16 << 20

export async function openContext(
  op: Op,
  request: BuildRequest['context'],
  host: ContextHost,
): Promise<OpenContext> {
  switch (request.kind) {
    case 'directory': {
      const root = await contextDirectory(request.path)
      return { root, indexFile: host.cache.contexts.file(root), ignores: 'all' }
    }
    case 'tar':
      return { root: await unpack(op, request.stream, host.tools), ignores: 'archive' }
    case 'empty':
      return { root: await emptyTree(op, host.tools), ignores: 'nothing' }
    case 'synced': {
      const { kept, source, ...rest } = await borrow(request.source, host)
      return { ...rest, fetch: (ignore) => fetchInto(kept, source, ignore), ignores: 'all' }
    }
    case 'remote':
      return await remoteContext(op, request.url, host)
    case 'image':
    case 'oci-layout':
      throw new EngineError(
        'unsupported',
        'the build context cannot be an image: name it with --build-context',
      )
  }
}

/** Named contexts for the graph, and where those are that are directories. */
export async function openNamedContexts(
  op: Op,
  contexts: Readonly<Record<string, ContextRequest>>,
  host: ContextHost,
): Promise<{ named: Map<string, NamedContext>; sources: Map<string, ContextSource> }> {
  const named = new Map<string, NamedContext>()
  const sources = new Map<string, ContextSource>()
  for (const [text, request] of Object.entries(contexts)) {
    const name = contextName(text)
    const found = await openNamed(op, { name, request, host })
    if ('root' in found) {
      sources.set(name, found)
      named.set(name, { kind: 'directory' })
    } else named.set(name, found)
  }
  return { named, sources }
}

async function openNamed(
  op: Op,
  o: { name: string; request: ContextRequest; host: ContextHost },
): Promise<NamedContext | ContextSource> {
  const { request, host } = o
  switch (request.kind) {
    case 'directory': {
      const root = await contextDirectory(request.path)
      return { root, ignore: readIgnore(root, ''), indexFile: host.cache.contexts.file(root) }
    }
    case 'tar': {
      const root = await unpack(op, request.stream, host.tools)
      return { root, ignore: readIgnore(root, '') }
    }
    case 'empty':
      return { root: await emptyTree(op, host.tools), ignore: [] }
    case 'synced': {
      const { kept, source, ...rest } = await borrow(request.source, host)
      const text = await host.progress.task(`[context ${o.name}] load .dockerignore`, () =>
        source.readFile(op, '.dockerignore'),
      )
      const ignore = text === undefined ? [] : parseIgnore(text)
      return { ...rest, ignore, fetch: fetchInto(kept, source, ignore) }
    }
    case 'remote':
      return remoteStep(request.url)
    case 'image':
      return { kind: 'image', reference: request.reference }
    case 'oci-layout':
      return { kind: 'image', reference: (await host.loadLayout(op, request)).id }
  }
}

/** What an URL means as a context. Throws kind `invalid`. */
function remoteStep(url: string): Extract<NamedContext, { kind: 'git' | 'http' }> {
  const kind = contextKind(url)
  if (kind === 'http') return { kind, step: { url, name: 'context' } }
  if (kind === undefined)
    throw new EngineError('invalid', `unable to prepare context: ${url} is no URL of a context`)
  const source = parseGitSource(url)
  const { checksum, keepGitDir = false } = source
  return { kind, step: { source, keepGitDir, ...(checksum !== undefined && { checksum }) } }
}

async function remoteContext(op: Op, url: string, host: ContextHost): Promise<OpenContext> {
  const { tools, works } = host
  const remote = remoteStep(url)
  const vertex =
    remote.kind === 'git'
      ? gitVertex('internal', remote.step, works)
      : httpVertex('internal', remote.step, works)
  const { layers } = await host.solve(op, vertex)
  const { root } = await openSpace(op, tools, { layers, undo: tools.undo })
  const text = remote.kind === 'http' ? dockerfileIn(root, remote.step.name) : undefined
  return { root, ignores: 'nothing', ...(text !== undefined && { dockerfileText: text }) }
}

/** BuildKit: an URL that gives no archive gives a Dockerfile. */
function dockerfileIn(rootPath: string, name: string): string | undefined {
  using root = RootDir.open(rootPath)
  if (root.list('.').join() !== name || root.stat(name).kind !== 'file') return undefined
  return root.readFile(name, maxDockerfile).toString()
}

async function borrow(source: SyncSource, { cache, tools }: ContextHost) {
  const kept = tools.undo.use(await cache.kept.borrow(source.key))
  const { root } = kept
  return { kept, source, root, ...(kept.stays && { indexFile: cache.contexts.file(root) }) }
}

/** A directory of the build's own, gone with it. */
async function emptyTree(op: Op, tools: Tools): Promise<string> {
  const { root } = await openSpace(op, tools, { layers: [], undo: tools.undo })
  return root
}

async function unpack(op: Op, stream: Readable, tools: Tools): Promise<string> {
  const id = `b${newId().slice(0, 12)}`
  const spool = join(tools.web.spool, id)
  const { snapshots, lease } = tools
  const removed = async () => {
    await rm(spool, { force: true })
    await snapshots.remove(detached(op, 30_000), id)
  }
  tools.undo.defer(() => attempt(op, 'remove a build context', removed, { id }))
  lease.add(`workspace:${id}`)
  await snapshots.prepare(op, id)
  const root = await snapshots.mount(op, id, [])
  await pipeline(stream, createWriteStream(spool, { mode: 0o600, flags: 'wx' }), { signal: op.signal })
  if (!(await snapshots.extractInto(op, { workspace: id, archive: spool, target: '/', anySymlinks: true })))
    throw new EngineError('invalid', 'the build context is not a tar archive')
  await rm(spool, { force: true })
  return root
}

async function contextDirectory(path: string): Promise<string> {
  try {
    const real = await realpath(path)
    if ((await stat(real)).isDirectory()) return real
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw cause
    throw new EngineError('not-found', `unable to prepare context: path ${JSON.stringify(path)} not found`, {
      cause,
    })
  }
  throw new EngineError('invalid', `unable to prepare context: ${path} is not a directory`)
}
