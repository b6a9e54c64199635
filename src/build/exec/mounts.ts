import { closeSync, readlinkSync, statSync } from 'node:fs'
import { chmod, chown } from 'node:fs/promises'
import { join } from 'node:path'
import { O_PATH } from '../../host/at-calls.ts'
import { RootDir } from '../../host/root-dir.ts'
import { run } from '../../host/spawn.ts'
import { digestOf } from '../../lib/digest.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { OciMount } from '../../runtime/index.ts'
import type { Scan } from '../context/scan.ts'
import type { Tree } from '../graph/tree.ts'
import { MissingSource, type RunMount, type RunStep } from '../graph/works.ts'
import type { CacheKey, Io, Json } from '../solver/vertex.ts'
import { CacheMounts } from './cache-mounts.ts'
import { directoryEntry } from './placement.ts'
import { manifestOf, select, type Selection } from './manifest.ts'
import type { Tools } from './tools.ts'
import { inSpace, openSpace } from './workspace.ts'

type Bind = Extract<RunMount, { type: 'bind' }>
type Cache = Extract<RunMount, { type: 'cache' }>
interface Sources {
  readonly step: RunStep
  readonly inputs: readonly Tree[]
}

const treeOf = ({ step, inputs }: Sources, mount: Bind | Cache): Tree | undefined =>
  mount.input === undefined ? undefined : inputs[(step.onBase ? 1 : 0) + mount.input]

/** Whether something is mounted that can be told by its layers before it is read. */
export const mountsTrees = (step: RunStep): boolean =>
  step.mounts.some((mount) => mount.type === 'bind' && mount.from === 'tree')

/**
 * The part of a RUN's key that its mounts make. What is bound counts with its content, or (`byLayers`) with the layers it
 * comes from; what caches hold and what secrets are does not.
 */
export async function mountKey(
  op: Op,
  tools: Tools,
  o: Sources & { byLayers: boolean },
): Promise<{ mounts: Json } & Pick<CacheKey, 'manifest'>> {
  const texts: string[] = []
  const mounts: Json[] = []
  for (const mount of o.step.mounts) {
    if (mount.type === 'tmpfs' || mount.type === 'secret' || mount.type === 'ssh') {
      mounts.push({ ...mount })
      continue
    }
    const { input: _input, ...rest } = mount
    const layers = treeOf(o, mount)?.layers ?? []
    if (mount.type === 'cache' || (mount.from === 'tree' && o.byLayers)) {
      mounts.push({ ...rest, layers })
      continue
    }
    const { text, digest } = await contentOf(op, tools, { ...o, mount })
    texts.push(JSON.stringify([mount.target]), text)
    mounts.push({ ...rest, content: digest })
  }
  const text = texts.join('\n')
  return { mounts, ...(texts.length > 0 && { manifest: { text, digest: digestOf(text) } }) }
}

/** Makes what the step mounts, until `undo` ends. `unchanged` is asked afterwards: false when the context changed meanwhile. */
export async function prepareMounts(
  op: Op,
  tools: Tools,
  o: Sources & { undo: AsyncDisposableStack; io: Io },
): Promise<{ mounts: OciMount[]; unchanged: boolean }> {
  const caches = await acquireCaches(op, tools, o)
  const mounts: OciMount[] = []
  let unchanged = true
  for (const mount of o.step.mounts) {
    // These come when the step has a place of its own.
    if (mount.type === 'secret' || mount.type === 'ssh') continue
    const { target: destination } = mount
    const access = mount.readonly ? 'ro' : 'rw'
    const bind = (source: string) =>
      mounts.push({ destination, type: 'bind', source, options: ['rbind', 'rprivate', access] })
    switch (mount.type) {
      case 'tmpfs': {
        const options = ['nosuid', access, ...(mount.size === undefined ? [] : [`size=${mount.size}`])]
        mounts.push({ destination, type: 'tmpfs', source: 'tmpfs', options })
        break
      }
      case 'bind':
        if (mount.from === 'tree') bind(await treeSource(op, tools, { ...o, mount }))
        else {
          const copy = await contextSource(op, tools, { ...o, mount })
          unchanged &&= copy.unchanged
          bind(copy.path)
        }
        break
      case 'cache':
        bind(caches.get(cacheKeyOf(o, mount)) ?? '')
    }
  }
  if (!unchanged) o.io.log(2, 'build context changed while it was mounted: this step is not cached\n')
  return { mounts, unchanged }
}

async function contentOf(op: Op, tools: Tools, o: Sources & { mount: Bind }) {
  const { mount } = o
  const tree = treeOf(o, mount)
  if (mount.from === 'context') return manifestOf(pick(mount, tree?.context?.scan), { owners: false })
  const request = { wanted: [mount.source], ignore: [] }
  return await inSpace(op, tools, {
    layers: tree?.layers ?? [],
    work: async ({ root }) =>
      manifestOf(pick(mount, await tools.scanner.scan(op, { ...request, root })), { owners: true }),
  })
}

function pick(mount: Bind, scan: Scan | undefined): Selection[] {
  const source = scan?.sources.find((candidate) => candidate.pattern === mount.source)
  if (!scan || !source || source.paths.length === 0) {
    const hidden = source?.ignoredBy
    const hint = hidden
      ? ` (it is there, but .dockerignore:${hidden.line} "${hidden.pattern}" keeps it out)`
      : source?.near === undefined
        ? ''
        : ` (did you mean ${source.near}?)`
    throw missing(mount, hint)
  }
  return select(scan, source)
}

const missing = (mount: Bind | Cache, hint = '') =>
  new MissingSource(
    mount.source,
    `failed to calculate checksum of ref: ${JSON.stringify(mount.path)}: not found${hint}`,
  )

/** A tree of the step's own over the layers: what is written there goes with it. */
async function treeSource(
  op: Op,
  tools: Tools,
  o: Sources & { mount: Bind | Cache; undo: AsyncDisposableStack },
): Promise<string> {
  const space = await openSpace(op, tools, { layers: treeOf(o, o.mount)?.layers ?? [], undo: o.undo })
  return inTree(space.root, o.mount)
}

/** Where a path of a tree is on the host, whatever links are on the way: they lead nowhere outside. */
function inTree(rootPath: string, mount: Bind | Cache): string {
  using root = RootDir.open(rootPath)
  try {
    const fd = root.openFile(mount.path, O_PATH)
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw missing(mount)
    throw error
  }
}

/**
 * What a COPY of it would give: without what `.dockerignore` names, and owned by root whoever owns it on this host.
 * The step cannot change the context, nor the context the step.
 */
async function contextSource(
  op: Op,
  tools: Tools,
  o: Sources & { mount: Bind; undo: AsyncDisposableStack },
): Promise<{ path: string; unchanged: boolean }> {
  const { mount } = o
  const context = treeOf(o, mount)?.context
  const [selection] = pick(mount, context?.scan)
  if (!context || !selection) throw missing(mount)
  const space = await openSpace(op, tools, { layers: [], undo: o.undo })
  const target = '/bound'
  const entries = [
    selection.root.type === 'd' ? directoryEntry(selection, target) : { source: selection.path, target },
  ]
  await tools.snapshots.copyInto(op, {
    workspace: space.id,
    from: { dir: context.root },
    entries,
    chown: { uid: 0, gid: 0 },
  })
  const now = await context.rescan(op.signal, [mount.source])
  const [before, after] = [context.scan, now].map(
    (scan) => manifestOf(pick(mount, scan), { owners: false }).digest,
  )
  return { path: join(space.root, target), unchanged: before === after }
}

function cacheKeyOf(o: Sources, mount: Cache): string {
  const { id, path, mode, uid, gid } = mount
  const owner = path === '/' ? [mode ?? null, uid ?? null, gid ?? null] : []
  return CacheMounts.keyOf([id, treeOf(o, mount)?.layers ?? [], path, owner])
}

/** By key, each once; all steps take them in one order, so that none waits for another that waits for it. */
async function acquireCaches(
  op: Op,
  tools: Tools,
  o: Sources & { undo: AsyncDisposableStack },
): Promise<Map<string, string>> {
  const wanted = new Map<string, Cache>()
  for (const mount of o.step.mounts) if (mount.type === 'cache') wanted.set(cacheKeyOf(o, mount), mount)
  const paths = new Map<string, string>()
  for (const [key, mount] of [...wanted].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const fill = (path: string) => fillCache(op, tools, { ...o, mount, path })
    const { id, sharing } = mount
    const cache = await tools.cacheMounts.acquire(op, { key, id, sharing, fill })
    o.undo.use(cache)
    paths.set(key, cache.path)
  }
  return paths
}

/** BuildKit: owner and mode are for an empty directory; content from elsewhere has its own. */
async function fillCache(op: Op, tools: Tools, o: Sources & { mount: Cache; path: string }): Promise<void> {
  const { mount, path } = o
  const { mode, uid, gid } = mount
  if (mount.path === '/' && (mode !== undefined || uid !== undefined || gid !== undefined)) {
    await chown(path, uid ?? 0, gid ?? 0)
    return await chmod(path, (mode ?? 0o755) & 0o7777)
  }
  if (mount.input === undefined && mount.path === '/') return
  await using undo = new AsyncDisposableStack()
  const source = await treeSource(op, tools, { ...o, undo })
  if (!statSync(source).isDirectory())
    throw new EngineError('invalid', `cache mount source ${JSON.stringify(mount.path)} is not a directory`)
  await run(op, ['cp', '-a', '--', `${source}/.`, path])
}
